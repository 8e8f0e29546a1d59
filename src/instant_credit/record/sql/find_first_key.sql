-- Purpose: the Decision that an idempotency key was first answered with.
-- $1 text: client id; $2 text: idempotency key
-- Relies on the primary key of idempotency_keys.
SELECT decision_id, body_mac FROM idempotency_keys WHERE client_id = $1 AND idempotency_key = $2
