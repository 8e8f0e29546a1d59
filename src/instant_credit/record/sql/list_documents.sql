-- Purpose: documents of one kind, oldest first.
-- $1 text: kind
-- Reads the whole of documents.
SELECT content_hash, octet_length(body) AS bytes, recorded_at
FROM documents
WHERE kind = $1
ORDER BY recorded_at, content_hash
