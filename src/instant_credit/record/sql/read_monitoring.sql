-- Purpose: the sealed monitoring of a Case and the data key it was sealed under.
-- $1 smallint: bucket; $2 uuid: case id
-- Relies on the primary keys of cases and person_keys.
SELECT cases.person_id, cases.key_id, cases.sealed_monitoring AS sealed, person_keys.master_key_id, person_keys.wrapped_key
FROM cases
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE cases.bucket = $1 AND cases.case_id = $2
