"""Edge. The report of a training: its figures as JSON and as one page that opens from disk."""
