-- Purpose: an API key with its revocation and its rotation; it ends when it expires or was rotated away, whichever comes first.
-- $1 text: key id
-- Relies on the primary keys of api_keys, api_key_revocations and api_key_rotations.
SELECT
    api_keys.key_id,
    api_keys.client_id,
    api_keys.secret_hash,
    api_keys.scopes,
    api_keys.is_test,
    api_keys.expires_at AS own_expires_at,
    least(api_keys.expires_at, api_key_rotations.ends_at) AS expires_at,
    api_key_revocations.recorded_at AS revoked_at,
    api_key_rotations.successor_key_id
FROM api_keys
LEFT JOIN api_key_revocations USING (key_id)
LEFT JOIN api_key_rotations USING (key_id)
WHERE api_keys.key_id = $1
