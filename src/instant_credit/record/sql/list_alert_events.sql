-- Purpose: the latest openings and ends of alerts of a book and product, the latest first.
-- $1 text: book; $2 text: product; $3 bigint: most rows
-- Relies on the primary key of alert_events.
SELECT last_on, rule, subject, kind, metric, value, owner, runbook, recorded_at
FROM alert_events
WHERE book = $1 AND product = $2
ORDER BY last_on DESC, rule, subject
LIMIT $3
