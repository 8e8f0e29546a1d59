"""Edge. What the columns tell together: how loans went, on which day facts were known, what other files add."""
