-- Purpose: every trigger put or stopped as it is stored, as a leaf covers it.
-- Reads the whole of trigger_events.
SELECT name, number, kind, document_hash, actor_kind, actor_id, recorded_at
FROM trigger_events
