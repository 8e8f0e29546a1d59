-- Purpose: the versions of drafts that were sealed under a person's keys, each with its key, oldest first.
-- $1 bytea: person id
-- Relies on draft_versions_by_person and the primary key of person_keys.
SELECT
    draft_versions.draft_id,
    draft_versions.number,
    draft_versions.product,
    draft_versions.client_id,
    draft_versions.is_test,
    draft_versions.person_id,
    draft_versions.key_id,
    draft_versions.sealed_body,
    draft_versions.recorded_at,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM draft_versions
LEFT JOIN sealed_keys.person_keys
    ON person_keys.bucket = get_byte(draft_versions.person_id, 0) AND person_keys.key_id = draft_versions.key_id
WHERE draft_versions.person_id = $1
ORDER BY draft_versions.recorded_at, draft_versions.draft_id, draft_versions.number
