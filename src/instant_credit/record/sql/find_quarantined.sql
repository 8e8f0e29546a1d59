-- Purpose: which lines are in quarantine already.
-- $1 smallint[]: buckets; $2 bytea[]: keyed hashes of the lines
-- Relies on quarantined_outcomes_by_line.
SELECT quarantined_outcomes.line_mac, quarantined_outcomes.quarantine_id
FROM unnest($1::smallint[], $2::bytea[]) AS wanted (bucket, line_mac)
INNER JOIN quarantined_outcomes
    ON quarantined_outcomes.bucket = wanted.bucket AND quarantined_outcomes.line_mac = wanted.line_mac
