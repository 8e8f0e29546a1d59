-- Purpose: an API key with its revocation.
-- $1 text: key id
-- Relies on the primary keys of api_keys and api_key_revocations.
SELECT
    api_keys.key_id,
    api_keys.client_id,
    api_keys.secret_hash,
    api_keys.scopes,
    api_keys.expires_at,
    api_key_revocations.recorded_at AS revoked_at
FROM api_keys
LEFT JOIN api_key_revocations USING (key_id)
WHERE api_keys.key_id = $1
