-- Purpose: the data keys that go with a person beside the person's own: of drafts before they named the person.
-- $1 bytea: person id
-- Relies on draft_versions_by_person, cases_by_person and the primary key of person_keys.
SELECT person_draft_keys.bucket, person_draft_keys.key_id, person_draft_keys.owner_id
FROM sealed_keys.person_draft_keys
WHERE person_draft_keys.person_id = $1
ORDER BY person_draft_keys.bucket, person_draft_keys.key_id
