-- Purpose: the present data key of a person.
-- $1 smallint: bucket; $2 bytea: person id
-- Relies on person_keys (bucket, person_id).
SELECT person_keys.key_id, person_keys.person_id, person_keys.master_key_id, person_keys.wrapped_key
FROM sealed_keys.person_keys
WHERE person_keys.bucket = $1 AND person_keys.person_id = $2
