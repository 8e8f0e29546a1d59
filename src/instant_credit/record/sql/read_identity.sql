-- Purpose: the sealed identity behind a Case and the person's data key.
-- $1 smallint: bucket; $2 uuid: case id
-- Relies on the primary keys of identities and person_keys.
SELECT identities.person_id, identities.sealed_identity AS sealed, person_keys.master_key_id, person_keys.wrapped_key
FROM identities
LEFT JOIN sealed_keys.person_keys
    ON person_keys.bucket = identities.bucket AND person_keys.person_id = identities.person_id
WHERE identities.bucket = $1 AND identities.case_id = $2
