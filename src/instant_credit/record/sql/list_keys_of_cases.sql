-- Purpose: the present data key of each Case's person, where there is one.
-- $1 smallint[]: buckets; $2 uuid[]: case ids
-- Relies on the primary key of cases and on person_keys (bucket, person_id).
SELECT cases.case_id, person_keys.key_id, person_keys.person_id, person_keys.master_key_id, person_keys.wrapped_key
FROM unnest($1::smallint[], $2::uuid[]) AS wanted (bucket, case_id)
INNER JOIN cases ON cases.bucket = wanted.bucket AND cases.case_id = wanted.case_id
INNER JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.person_id = cases.person_id
