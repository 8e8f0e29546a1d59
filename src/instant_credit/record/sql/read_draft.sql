-- Purpose: a draft as it stands: its last version, the key it was sealed under, and what happened to it.
-- $1 smallint: bucket; $2 uuid: draft id
-- Relies on the primary keys of draft_versions, draft_events and person_keys.
SELECT
    latest.number,
    latest.product,
    latest.client_id,
    latest.is_test,
    latest.person_id,
    latest.key_id,
    latest.sealed_body,
    latest.recorded_at,
    first_version.recorded_at AS opened_at,
    person_keys.master_key_id,
    person_keys.wrapped_key,
    life.kinds,
    life.complete_bys,
    life.recorded_ats
FROM draft_versions AS latest
INNER JOIN draft_versions AS first_version
    ON first_version.bucket = latest.bucket AND first_version.draft_id = latest.draft_id AND first_version.number = 1
LEFT JOIN sealed_keys.person_keys
    ON person_keys.bucket = get_byte(latest.person_id, 0) AND person_keys.key_id = latest.key_id
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(draft_events.kind ORDER BY draft_events.kind), '{}') AS kinds,
        coalesce(array_agg(draft_events.complete_by ORDER BY draft_events.kind), '{}') AS complete_bys,
        coalesce(array_agg(draft_events.recorded_at ORDER BY draft_events.kind), '{}') AS recorded_ats
    FROM draft_events
    WHERE draft_events.bucket = latest.bucket AND draft_events.draft_id = latest.draft_id
) AS life
WHERE latest.bucket = $1 AND latest.draft_id = $2
ORDER BY latest.number DESC
LIMIT 1
