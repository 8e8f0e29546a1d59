-- Purpose: which events are recorded already.
-- $1 smallint[]: buckets; $2 uuid[]: case ids; $3 uuid[]: event ids; $4 uuid: least and $5 uuid: greatest id of the Cases' milliseconds
-- Relies on the primary key of repayment_events; $4 and $5 choose the partitions.
SELECT repayment_events.case_id, repayment_events.event_id
FROM unnest($1::smallint[], $2::uuid[], $3::uuid[]) AS wanted (bucket, case_id, event_id)
INNER JOIN repayment_events
    ON repayment_events.bucket = wanted.bucket
    AND repayment_events.case_id = wanted.case_id
    AND repayment_events.event_id = wanted.event_id
WHERE repayment_events.case_id BETWEEN $4 AND $5
