-- Purpose: every revocation as it is stored, as a leaf covers it.
-- Reads the whole of api_key_revocations.
SELECT
    key_id,
    actor_kind,
    actor_id,
    recorded_at
FROM api_key_revocations
