-- Purpose: the versions of a person's drafts, each with the key it was sealed under, oldest first: those under the person's keys, and those of
--   before the draft named the person.
-- $1 bytea: person id
-- Relies on draft_versions_by_person, cases_by_person and the primary keys of draft_versions and person_keys.
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
FROM (
    SELECT own.bucket, own.draft_id, own.number FROM draft_versions AS own WHERE own.person_id = $1
    UNION ALL
    SELECT former.bucket, former.draft_id, former.number FROM person_former_versions AS former WHERE former.person_id = $1
) AS told
INNER JOIN draft_versions
    ON draft_versions.bucket = told.bucket AND draft_versions.draft_id = told.draft_id AND draft_versions.number = told.number
LEFT JOIN sealed_keys.person_keys
    ON person_keys.bucket = get_byte(draft_versions.person_id, 0) AND person_keys.key_id = draft_versions.key_id
ORDER BY draft_versions.recorded_at, draft_versions.draft_id, draft_versions.number
