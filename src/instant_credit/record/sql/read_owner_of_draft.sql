-- Purpose: under whose key the last version of a draft was sealed: a person's, or the draft's own while it names nobody.
-- $1 smallint: bucket; $2 uuid: draft id
-- Relies on the primary key of draft_versions.
SELECT draft_versions.person_id
FROM draft_versions
WHERE draft_versions.bucket = $1 AND draft_versions.draft_id = $2
ORDER BY draft_versions.number DESC
LIMIT 1
