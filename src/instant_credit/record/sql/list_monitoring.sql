-- Purpose: the sealed monitoring of Cases that have one and whose person is not erased, and the data keys it was sealed under.
-- $1 smallint[]: buckets; $2 uuid[]: case ids
-- Relies on the primary keys of cases and person_keys.
SELECT
    cases.case_id,
    cases.person_id,
    cases.key_id,
    cases.sealed_monitoring AS sealed,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM unnest($1::smallint[], $2::uuid[]) AS wanted (bucket, case_id)
INNER JOIN cases ON cases.bucket = wanted.bucket AND cases.case_id = wanted.case_id
INNER JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE cases.sealed_monitoring IS NOT NULL
