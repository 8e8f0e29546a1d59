-- Purpose: keep a new API key in the place of another one, which ends. A unique violation means that it was rotated already.
-- $1 text: key id; $2 text: client id; $3 bytea: hash of the secret; $4 text[]: scopes; $5 timestamptz: expires at or NULL;
-- $6 text: actor kind; $7 text: actor id; $8 timestamptz: recorded at; $9 boolean: is for tests; $10 text: id of the former key;
-- $11 timestamptz: when the former key ends
-- Relies on the primary keys of api_keys and api_key_rotations.
WITH successor AS (
    INSERT INTO api_keys (key_id, client_id, secret_hash, scopes, expires_at, actor_kind, actor_id, recorded_at, is_test)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
)
INSERT INTO api_key_rotations (key_id, successor_key_id, ends_at, actor_kind, actor_id, recorded_at)
VALUES ($10, $1, $11, $6, $7, $8)
