-- Purpose: which Cases are recorded, with their days and books.
-- $1 smallint[]: buckets; $2 uuid[]: case ids; $3 uuid: least and $4 uuid: greatest id of the Cases' milliseconds
-- Relies on the primary key of cases; $3 and $4 choose the partitions.
SELECT cases.bucket, cases.case_id, cases.as_of, cases.book
FROM unnest($1::smallint[], $2::uuid[]) AS wanted (bucket, case_id)
INNER JOIN cases ON cases.bucket = wanted.bucket AND cases.case_id = wanted.case_id
WHERE cases.case_id BETWEEN $3 AND $4
