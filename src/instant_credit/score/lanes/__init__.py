"""Scoring and explaining in registers of 512 bits: 64 trees of a row, or 64 rows of a tree, at once."""
