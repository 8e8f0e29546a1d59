-- Purpose: keep a document under its content hash; one that is there already stays.
-- $1 text: content hash; $2 text: kind; $3 bytea: body; $4 text: actor kind; $5 text: actor id; $6 timestamptz: recorded at
INSERT INTO documents (content_hash, kind, body, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (content_hash) DO NOTHING
