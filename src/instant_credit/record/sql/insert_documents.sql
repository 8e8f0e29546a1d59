-- Purpose: keep documents under their content hashes, all or nothing, with their link. A unique violation means that one is kept already.
-- $1..$6 documents: content_hash text[], kind text[], body bytea[], actor_kind text[], actor_id text[], recorded_at timestamptz[]
-- $7..$11 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of documents and links.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($7, $8, $9, $10, $11)
)
INSERT INTO documents (content_hash, kind, body, actor_kind, actor_id, recorded_at)
SELECT row.content_hash, row.kind, row.body, row.actor_kind, row.actor_id, row.recorded_at
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::timestamptz[])
    AS row (content_hash, kind, body, actor_kind, actor_id, recorded_at)
