-- Purpose: which documents are kept already.
-- $1 text[]: content hashes
-- Relies on the primary key of documents.
SELECT documents.content_hash
FROM documents
WHERE documents.content_hash = ANY($1)
