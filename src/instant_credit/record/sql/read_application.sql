-- Purpose: an application with its answer and, in order, the events of its life.
-- $1 smallint: bucket; $2 uuid: case id
-- Relies on the primary keys of cases, application_events and person_keys, and on decisions (bucket, case_id).
SELECT
    cases.case_id,
    cases.person_id,
    cases.key_id,
    cases.book,
    cases.product,
    decisions.decision_id,
    decisions.client_id,
    decisions.outcome,
    decisions.sealed_answer,
    decisions.recorded_at,
    person_keys.master_key_id,
    person_keys.wrapped_key,
    life.kinds,
    life.offer_ids,
    life.recorded_ats
FROM cases
INNER JOIN decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(application_events.kind ORDER BY application_events.number), '{}') AS kinds,
        coalesce(array_agg(application_events.offer_id ORDER BY application_events.number), '{}') AS offer_ids,
        coalesce(array_agg(application_events.recorded_at ORDER BY application_events.number), '{}') AS recorded_ats
    FROM application_events
    WHERE application_events.bucket = cases.bucket AND application_events.case_id = cases.case_id
) AS life
WHERE cases.bucket = $1 AND cases.case_id = $2
