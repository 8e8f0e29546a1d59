-- Purpose: a Decision with its Case.
-- $1 smallint: bucket; $2 uuid: decision id; $3 uuid: least and $4 uuid: greatest id of its millisecond, which is its Case's
-- Relies on the primary keys of cases and person_keys and on the unique (bucket, decision_id) of every partition of decisions; $3 and $4
--   choose the partitions.
SELECT
    decisions.decision_id,
    decisions.case_id,
    decisions.release_hash,
    decisions.client_id,
    decisions.outcome,
    decisions.sealed_decision,
    decisions.sealed_answer,
    decisions.stage_ns,
    decisions.recorded_at,
    cases.person_id,
    cases.key_id,
    cases.book,
    cases.product,
    cases.product_hash,
    cases.as_of,
    cases.sealed_case,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM decisions
INNER JOIN cases ON cases.bucket = decisions.bucket AND cases.case_id = decisions.case_id
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE decisions.bucket = $1 AND decisions.decision_id = $2
    AND decisions.case_id BETWEEN $3 AND $4 AND cases.case_id BETWEEN $3 AND $4
