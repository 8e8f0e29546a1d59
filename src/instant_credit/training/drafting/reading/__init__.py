"""Edge. A tape as columns, and what its cells are written as: numbers, days, nothing at all."""
