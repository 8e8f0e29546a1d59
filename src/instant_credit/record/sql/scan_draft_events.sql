-- Purpose: every event of a draft as it is stored, as a leaf covers it.
-- Reads the whole of draft_events.
SELECT
    bucket,
    draft_id,
    kind,
    complete_by,
    actor_kind,
    actor_id,
    recorded_at
FROM draft_events
