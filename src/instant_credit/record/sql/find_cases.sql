-- Purpose: which Cases are recorded.
-- $1 smallint[]: buckets; $2 uuid[]: case ids; $3 uuid: least and $4 uuid: greatest id among them
-- Relies on the primary key of cases; $3 and $4 choose its partitions.
SELECT cases.case_id
FROM unnest($1::smallint[], $2::uuid[]) AS wanted (bucket, case_id)
INNER JOIN cases
    ON cases.bucket = wanted.bucket AND cases.case_id = wanted.case_id AND cases.case_id BETWEEN $3 AND $4
