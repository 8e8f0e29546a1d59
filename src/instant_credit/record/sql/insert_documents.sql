-- Purpose: keep documents under their content hashes, all or nothing; those that are there already stay.
-- $1 text[]: content hashes; $2 text[]: kinds; $3 bytea[]: bodies; $4 text: actor kind; $5 text: actor id; $6 timestamptz: recorded at
-- Relies on the primary key of documents.
INSERT INTO documents (content_hash, kind, body, actor_kind, actor_id, recorded_at)
SELECT row.content_hash, row.kind, row.body, $4, $5, $6
FROM unnest($1::text[], $2::text[], $3::bytea[]) AS row (content_hash, kind, body)
ON CONFLICT (content_hash) DO NOTHING
