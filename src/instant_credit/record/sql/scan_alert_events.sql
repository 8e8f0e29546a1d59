-- Purpose: every opening and end of an alert as it is stored, as a leaf covers it.
-- Reads the whole of alert_events.
SELECT
    book,
    product,
    last_on,
    rule,
    subject,
    kind,
    metric,
    value,
    owner,
    runbook,
    actor_kind,
    actor_id,
    recorded_at
FROM alert_events
