-- Purpose: the sealed identity behind a Case and the data key of the Case.
-- $1 smallint: bucket; $2 uuid: case id
-- Relies on the primary keys of identities, cases and person_keys.
SELECT cases.person_id, cases.key_id, identities.sealed_identity AS sealed, person_keys.master_key_id, person_keys.wrapped_key
FROM identities
INNER JOIN cases ON cases.bucket = identities.bucket AND cases.case_id = identities.case_id
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE identities.bucket = $1 AND identities.case_id = $2
