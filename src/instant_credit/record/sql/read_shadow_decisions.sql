-- Purpose: the shadow decisions on one Case, in order of their releases.
-- $1 smallint: bucket; $2 uuid: case id
-- Relies on the primary keys of shadow_decisions, cases and person_keys.
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
FROM shadow_decisions
INNER JOIN cases ON cases.bucket = shadow_decisions.bucket AND cases.case_id = shadow_decisions.case_id
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE shadow_decisions.bucket = $1 AND shadow_decisions.case_id = $2 AND cases.case_id = $2
ORDER BY shadow_decisions.release_hash
