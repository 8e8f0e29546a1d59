-- Purpose: the training of a model, the one recorded last.
-- $1 text: content hash of the model's bundle
-- Relies on documents_by_model.
SELECT content_hash, body
FROM documents
WHERE
    kind = 'training'
    AND substring(encode(body, 'escape') FROM '"(?:bundle|candidate)_hash":"([0-9a-f]{64})"') = $1
ORDER BY recorded_at DESC, content_hash DESC
LIMIT 1
