"""Edge. The typed client of the counter, blocking and awaiting: calls, retries under one idempotency key, deadlines, problems as exceptions."""
