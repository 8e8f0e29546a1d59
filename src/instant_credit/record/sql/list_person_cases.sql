-- Purpose: all Cases of a person with identity, Decision and answer, oldest first, each with the key it was sealed under.
-- $1 smallint: bucket; $2 bytea: person id
-- Relies on cases_by_person, decisions (bucket, case_id) and the primary keys of identities and person_keys.
SELECT
    cases.bucket,
    cases.case_id,
    cases.person_id,
    cases.key_id,
    cases.book,
    cases.natural_key,
    cases.product,
    cases.product_hash,
    cases.as_of,
    cases.sealed_case,
    cases.sealed_monitoring,
    cases.actor_kind,
    cases.actor_id,
    cases.recorded_at,
    identities.sealed_identity,
    decisions.decision_id,
    decisions.release_hash,
    decisions.client_id,
    decisions.outcome,
    decisions.sealed_decision,
    decisions.sealed_answer,
    decisions.recorded_at AS decided_at,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM cases
LEFT JOIN identities ON identities.bucket = cases.bucket AND identities.case_id = cases.case_id
LEFT JOIN decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE cases.bucket = $1 AND cases.person_id = $2
ORDER BY cases.recorded_at, cases.case_id
