"""Edge. The workshop: tapes become books of recorded Cases, books become models with their reports."""
