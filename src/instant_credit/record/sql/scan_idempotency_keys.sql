-- Purpose: every idempotency key as it is stored, as a leaf covers it.
-- Reads the whole of idempotency_keys.
SELECT
    client_id,
    idempotency_key,
    body_mac,
    bucket,
    decision_id,
    recorded_at,
    actor_kind,
    actor_id
FROM idempotency_keys
