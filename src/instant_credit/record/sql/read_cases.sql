-- Purpose: the Cases with some ids, without their Decisions, in order of their keys.
-- $1 smallint[]: buckets; $2 uuid[]: case ids; $3 uuid: least and $4 uuid: greatest id among them
-- Relies on the primary keys of cases and person_keys; $3 and $4 choose partitions.
SELECT
    cases.bucket,
    cases.case_id,
    cases.person_id,
    cases.key_id,
    cases.natural_key,
    cases.product,
    cases.product_hash,
    cases.as_of,
    cases.sealed_case,
    cases.sampling_weight,
    NULL::uuid AS decision_id,
    NULL::text AS release_hash,
    NULL::bytea AS sealed_decision,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM unnest($1::smallint[], $2::uuid[]) AS wanted (bucket, case_id)
INNER JOIN cases
    ON cases.bucket = wanted.bucket AND cases.case_id = wanted.case_id AND cases.case_id BETWEEN $3 AND $4
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
ORDER BY cases.bucket, cases.case_id
