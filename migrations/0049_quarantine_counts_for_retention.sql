-- A line told of an application that was not taken is an action on it as an event is: retention counts from it, too.
CREATE OR REPLACE VIEW instant_credit.person_actions (bucket, person_id, acted_at) AS
SELECT cases.bucket, cases.person_id, cases.recorded_at FROM instant_credit.cases
UNION ALL
SELECT cases.bucket, cases.person_id, decisions.recorded_at
FROM instant_credit.cases
INNER JOIN instant_credit.decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
UNION ALL
SELECT cases.bucket, cases.person_id, repayment_events.recorded_at
FROM instant_credit.cases
INNER JOIN instant_credit.repayment_events
    ON repayment_events.bucket = cases.bucket AND repayment_events.case_id = cases.case_id
UNION ALL
SELECT cases.bucket, cases.person_id, application_events.recorded_at
FROM instant_credit.cases
INNER JOIN instant_credit.application_events
    ON application_events.bucket = cases.bucket AND application_events.case_id = cases.case_id
UNION ALL
SELECT get_byte(draft_versions.person_id, 0)::smallint, draft_versions.person_id, draft_versions.recorded_at
FROM instant_credit.draft_versions
UNION ALL
SELECT get_byte(draft_versions.person_id, 0)::smallint, draft_versions.person_id, draft_events.recorded_at
FROM instant_credit.draft_versions
INNER JOIN instant_credit.draft_events
    ON draft_events.bucket = draft_versions.bucket AND draft_events.draft_id = draft_versions.draft_id
UNION ALL
SELECT get_byte(quarantined_outcomes.person_id, 0)::smallint, quarantined_outcomes.person_id, quarantined_outcomes.recorded_at
FROM instant_credit.quarantined_outcomes;
