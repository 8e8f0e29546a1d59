-- Purpose: every API key as it is stored, as a leaf covers it.
-- Reads the whole of api_keys.
SELECT
    key_id,
    client_id,
    secret_hash,
    scopes,
    expires_at,
    actor_kind,
    actor_id,
    recorded_at,
    is_test
FROM api_keys
