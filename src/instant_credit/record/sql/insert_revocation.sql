-- Purpose: revoke an API key, with its link. A unique violation means that it is revoked already.
-- $1 text: key id; $2 text: actor kind; $3 text: actor id; $4 timestamptz: recorded at
-- $5..$9 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of api_key_revocations, api_keys and links.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($5, $6, $7, $8, $9)
)
INSERT INTO api_key_revocations (key_id, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4)
