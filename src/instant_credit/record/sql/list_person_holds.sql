-- Purpose: the holds on a person, oldest first, with their ends.
-- $1 smallint: bucket; $2 bytea: person id
-- Relies on person_holds_by_person and the primary key of person_hold_releases.
SELECT
    person_holds.hold_id,
    person_holds.reason,
    person_holds.actor_kind,
    person_holds.actor_id,
    person_holds.recorded_at,
    person_hold_releases.reason AS release_reason,
    person_hold_releases.actor_kind AS release_actor_kind,
    person_hold_releases.actor_id AS release_actor_id,
    person_hold_releases.recorded_at AS released_at
FROM person_holds
LEFT JOIN person_hold_releases
    ON person_hold_releases.bucket = person_holds.bucket AND person_hold_releases.hold_id = person_holds.hold_id
WHERE person_holds.bucket = $1 AND person_holds.person_id = $2
ORDER BY person_holds.recorded_at, person_holds.hold_id
