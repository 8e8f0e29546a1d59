-- Purpose: the first answer to an idempotency key.
-- $1 text: client id; $2 text: idempotency key
-- Relies on the primary keys of idempotency_keys, decisions, cases and person_keys.
SELECT
    first_key.decision_id,
    first_key.body_mac,
    decisions.sealed_answer,
    cases.person_id,
    cases.key_id,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM idempotency_keys AS first_key
INNER JOIN decisions ON decisions.bucket = first_key.bucket AND decisions.decision_id = first_key.decision_id
INNER JOIN cases ON cases.bucket = decisions.bucket AND cases.case_id = decisions.case_id
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE first_key.client_id = $1 AND first_key.idempotency_key = $2
