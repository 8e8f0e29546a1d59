-- Purpose: the shadow decisions on all Cases of a person, each with the key it was sealed under, in order of Case and release.
-- $1 smallint: bucket; $2 bytea: person id
-- Relies on cases_by_person and the primary keys of shadow_decisions and person_keys.
SELECT
    shadow_decisions.case_id,
    shadow_decisions.release_hash,
    shadow_decisions.outcome,
    shadow_decisions.sealed_decision,
    shadow_decisions.recorded_at,
    cases.person_id,
    cases.key_id,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM cases
INNER JOIN shadow_decisions ON shadow_decisions.bucket = cases.bucket AND shadow_decisions.case_id = cases.case_id
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE cases.bucket = $1 AND cases.person_id = $2
ORDER BY shadow_decisions.case_id, shadow_decisions.release_hash
