-- Purpose: what stands, in order, by the id of a Decision or else of a Case: Case, Decision, sealed answer and the data key of the Case.
-- $1 smallint[]: buckets; $2 uuid[]: decision ids or NULL; $3 uuid[]: case ids or NULL; $4 uuid: least and $5 uuid: greatest id of their
--   milliseconds
-- Relies on the primary keys of cases, decisions and person_keys and on the unique (bucket, decision_id) of every partition of decisions;
--   $4 and $5 choose the partitions.
SELECT
    cases.case_id,
    cases.person_id,
    cases.key_id,
    cases.recorded_at,
    decisions.decision_id,
    decisions.sealed_answer,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM unnest($1::smallint[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS wanted (bucket, decision_id, case_id, place)
LEFT JOIN decisions AS first_decision
    ON first_decision.bucket = wanted.bucket AND first_decision.decision_id = wanted.decision_id
    AND first_decision.case_id BETWEEN $4 AND $5
INNER JOIN cases
    ON cases.bucket = wanted.bucket AND cases.case_id = coalesce(first_decision.case_id, wanted.case_id)
    AND cases.case_id BETWEEN $4 AND $5
LEFT JOIN decisions
    ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id AND decisions.case_id BETWEEN $4 AND $5
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
ORDER BY wanted.place
