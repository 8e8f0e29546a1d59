-- Purpose: the latest event of each trigger, with its document where it stands, by name.
-- $1 text: name, or NULL for all; $2 bigint: at most so many
-- Relies on the primary keys of trigger_events and documents.
SELECT latest.name, latest.number, latest.kind, latest.document_hash, latest.recorded_at, documents.body
FROM (
    SELECT DISTINCT ON (trigger_events.name)
        trigger_events.name, trigger_events.number, trigger_events.kind, trigger_events.document_hash, trigger_events.recorded_at
    FROM trigger_events
    WHERE $1::text IS NULL OR trigger_events.name = $1
    ORDER BY trigger_events.name, trigger_events.number DESC
) AS latest
LEFT JOIN documents ON documents.content_hash = latest.document_hash
ORDER BY latest.name
LIMIT $2
