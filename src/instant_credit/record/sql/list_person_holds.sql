-- Purpose: the holds on a person and on the drafts that became the person's, oldest first, with their ends.
-- $1 smallint: bucket; $2 bytea: person id
-- Relies on person_holds_by_person, draft_versions_by_person and the primary key of person_hold_releases.
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
FROM (
    SELECT $1::smallint AS bucket, $2::bytea AS owner_id
    UNION
    SELECT person_draft_owners.bucket, person_draft_owners.owner_id
    FROM person_draft_owners
    WHERE person_draft_owners.person_id = $2
) AS held
INNER JOIN person_holds ON person_holds.bucket = held.bucket AND person_holds.person_id = held.owner_id
LEFT JOIN person_hold_releases
    ON person_hold_releases.bucket = person_holds.bucket AND person_hold_releases.hold_id = person_holds.hold_id
ORDER BY person_holds.recorded_at, person_holds.hold_id
