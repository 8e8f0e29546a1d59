-- Purpose: the erasures of a person, oldest first.
-- $1 smallint: bucket; $2 bytea: person id
-- Relies on person_erasures_by_person.
SELECT
    person_erasures.key_id,
    person_erasures.reason,
    person_erasures.actor_kind,
    person_erasures.actor_id,
    person_erasures.recorded_at
FROM person_erasures
WHERE person_erasures.bucket = $1 AND person_erasures.person_id = $2
ORDER BY person_erasures.recorded_at, person_erasures.key_id
