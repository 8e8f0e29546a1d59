-- Purpose: every event as it is stored, as a leaf covers it.
-- Reads the whole of repayment_events.
SELECT
    bucket,
    case_id,
    event_id,
    kind,
    amount_cents,
    event_on,
    known_on,
    recorded_at,
    actor_kind,
    actor_id,
    days_past_due,
    corrects,
    number
FROM repayment_events
