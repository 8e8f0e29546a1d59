-- What a person does with an offer is an action on the Case, too.
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
    ON application_events.bucket = cases.bucket AND application_events.case_id = cases.case_id;
