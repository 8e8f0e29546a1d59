-- Purpose: what stands of a person: the present data key, Cases, drafts, the last action on them and until when it is kept (12 CFR 1002.12(b)).
-- $1 smallint: bucket; $2 bytea: person id
-- Relies on person_keys (bucket, person_id), cases_by_person and draft_versions_by_person.
SELECT
    own_key.key_id,
    counted.cases,
    counted.drafts,
    counted.last_action_at,
    (counted.last_action_at AT TIME ZONE 'UTC' + interval '25 months') AT TIME ZONE 'UTC' AS kept_until
FROM (
    SELECT
        (SELECT count(*) FROM cases WHERE cases.bucket = $1 AND cases.person_id = $2) AS cases,
        (
            SELECT count(DISTINCT draft_versions.draft_id) FROM draft_versions WHERE draft_versions.person_id = $2
        ) AS drafts,
        (
            SELECT max(person_actions.acted_at) FROM person_actions
            WHERE person_actions.bucket = $1 AND person_actions.person_id = $2
        ) AS last_action_at
) AS counted
LEFT JOIN sealed_keys.person_keys AS own_key ON own_key.bucket = $1 AND own_key.person_id = $2
