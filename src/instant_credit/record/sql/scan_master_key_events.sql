-- Purpose: every event of a master key as it is stored, as a leaf covers it.
-- Reads the whole of master_key_events.
SELECT
    master_key_id,
    kind,
    actor_kind,
    actor_id,
    recorded_at
FROM master_key_events
