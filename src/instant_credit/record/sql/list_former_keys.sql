-- Purpose: the next data keys, in order of their keys, that another master key than the current one wraps.
-- $1 text: id of the current master key; $2 smallint: bucket and $3 uuid: key id after which to go on; $4 bigint: most rows
-- Relies on the primary key of person_keys.
SELECT
    person_keys.bucket,
    person_keys.key_id,
    person_keys.person_id,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM sealed_keys.person_keys
WHERE (person_keys.bucket, person_keys.key_id) > ($2, $3) AND person_keys.master_key_id <> $1
ORDER BY person_keys.bucket, person_keys.key_id
LIMIT $4
