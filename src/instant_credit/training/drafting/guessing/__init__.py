"""Edge. What one column is taken for, by its name and its cells."""
