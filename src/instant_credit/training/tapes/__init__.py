"""Edge. Tapes: what a file of past loans says, read through a mapping and recorded as Cases of a book."""
