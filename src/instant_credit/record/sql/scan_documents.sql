-- Purpose: every document as it is stored, as a leaf covers it.
-- Reads the whole of documents.
SELECT
    content_hash,
    kind,
    body,
    actor_kind,
    actor_id,
    recorded_at
FROM documents
