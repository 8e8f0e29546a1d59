-- Purpose: all API keys, oldest first, without their hashes.
-- Reads the whole of api_keys, api_key_revocations and api_key_rotations.
SELECT
    api_keys.key_id,
    api_keys.client_id,
    api_keys.scopes,
    api_keys.is_test,
    least(api_keys.expires_at, api_key_rotations.ends_at) AS expires_at,
    api_keys.recorded_at,
    api_key_revocations.recorded_at AS revoked_at,
    api_key_rotations.successor_key_id
FROM api_keys
LEFT JOIN api_key_revocations USING (key_id)
LEFT JOIN api_key_rotations USING (key_id)
ORDER BY api_keys.recorded_at, api_keys.key_id
