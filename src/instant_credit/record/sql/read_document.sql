-- Purpose: a document by its content hash.
-- $1 text: content hash
-- Relies on the primary key of documents.
SELECT kind, body FROM documents WHERE content_hash = $1
