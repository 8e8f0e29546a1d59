-- Purpose: the events of Cases, in an order that depends on them alone.
-- $1 smallint[]: buckets; $2 uuid[]: case ids
-- Relies on the primary key of repayment_events.
SELECT
    repayment_events.case_id,
    repayment_events.event_id,
    repayment_events.kind,
    repayment_events.amount_cents,
    repayment_events.event_on,
    repayment_events.known_on,
    repayment_events.days_past_due,
    repayment_events.corrects,
    repayment_events.number
FROM unnest($1::smallint[], $2::uuid[]) AS wanted (bucket, case_id)
INNER JOIN repayment_events
    ON repayment_events.bucket = wanted.bucket AND repayment_events.case_id = wanted.case_id
ORDER BY repayment_events.case_id, repayment_events.event_on, repayment_events.known_on, repayment_events.event_id
