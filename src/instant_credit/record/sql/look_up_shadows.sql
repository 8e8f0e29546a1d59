-- Purpose: per shadow decision to be recorded, in order, the person's data key, and whether it is recorded already. A Case that is not
--   recorded has no row.
-- $1 smallint[]: buckets; $2 uuid[]: case ids; $3 text[]: release hashes; $4 uuid: least and $5 uuid: greatest case id among them
-- Relies on the primary keys of cases, person_keys and shadow_decisions; $4 and $5 choose partitions of cases.
SELECT
    wanted.place,
    cases.person_id,
    cases.key_id,
    person_keys.master_key_id,
    person_keys.wrapped_key,
    shadow_decisions.case_id IS NOT NULL AS is_recorded
FROM unnest($1::smallint[], $2::uuid[], $3::text[]) WITH ORDINALITY AS wanted (bucket, case_id, release_hash, place)
INNER JOIN cases
    ON cases.bucket = wanted.bucket AND cases.case_id = wanted.case_id AND cases.case_id BETWEEN $4 AND $5
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
LEFT JOIN shadow_decisions
    ON shadow_decisions.bucket = wanted.bucket AND shadow_decisions.case_id = wanted.case_id
    AND shadow_decisions.release_hash = wanted.release_hash
ORDER BY wanted.place
