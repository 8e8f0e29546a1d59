-- Purpose: whose Case it is.
-- $1 smallint: bucket; $2 uuid: case id
-- Relies on the primary key of cases.
SELECT cases.person_id FROM cases WHERE cases.bucket = $1 AND cases.case_id = $2
