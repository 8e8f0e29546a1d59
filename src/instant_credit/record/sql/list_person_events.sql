-- Purpose: what happened to the applications of a person after their decisions, in order.
-- $1 smallint: bucket; $2 bytea: person id
-- Relies on cases_by_person and the primary key of application_events.
SELECT
    application_events.case_id,
    application_events.kind,
    application_events.offer_id,
    application_events.recorded_at
FROM cases
INNER JOIN application_events
    ON application_events.bucket = cases.bucket AND application_events.case_id = cases.case_id
WHERE cases.bucket = $1 AND cases.person_id = $2
ORDER BY application_events.case_id, application_events.number
