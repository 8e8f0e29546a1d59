-- Purpose: every event of an application as it is stored, as a leaf covers it.
-- Reads the whole of application_events.
SELECT
    bucket,
    case_id,
    number,
    kind,
    offer_id,
    actor_kind,
    actor_id,
    recorded_at
FROM application_events
