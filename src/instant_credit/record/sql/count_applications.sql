-- Purpose: how many applications of one person a client made since an instant, and when the first of them was recorded.
-- $1 smallint: bucket; $2 bytea: person id; $3 text: client id; $4 uuid: the least id of the instant
-- Relies on the primary keys of cases and decisions.
SELECT count(*) AS applications, min(decisions.recorded_at) AS first_at
FROM cases
INNER JOIN decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
WHERE cases.bucket = $1
    AND cases.case_id >= $4
    AND cases.person_id = $2
    AND decisions.bucket = $1
    AND decisions.case_id >= $4
    AND decisions.client_id = $3
