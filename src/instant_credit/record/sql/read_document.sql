-- Purpose: a document by its content hash.
-- $1 text: content hash
SELECT kind, body FROM documents WHERE content_hash = $1
