-- Purpose: documents by their content hashes, those that are there.
-- $1 text[]: content hashes
-- Relies on the primary key of documents.
SELECT content_hash, body FROM documents WHERE content_hash = ANY($1)
