-- Purpose: revoke an API key; one that is revoked already stays so.
-- $1 text: key id; $2 text: actor kind; $3 text: actor id; $4 timestamptz: recorded at
-- Relies on the primary keys of api_key_revocations and api_keys.
INSERT INTO api_key_revocations (key_id, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (key_id) DO NOTHING
