-- Purpose: all API keys, oldest first, without their hashes.
-- Reads the whole of api_keys and api_key_revocations.
SELECT
    api_keys.key_id,
    api_keys.client_id,
    api_keys.scopes,
    api_keys.expires_at,
    api_keys.recorded_at,
    api_key_revocations.recorded_at AS revoked_at
FROM api_keys
LEFT JOIN api_key_revocations USING (key_id)
ORDER BY api_keys.recorded_at, api_keys.key_id
