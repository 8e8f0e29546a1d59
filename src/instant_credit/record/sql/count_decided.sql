-- Purpose: how many Cases of a book each release decided on each of some days, which follow each other.
-- $1 text: book; $2 uuid[]: the least id of each day, and that of the day after the last; $3 uuid: the first and $4 uuid: the last of these
-- Relies on cases_by_book and the primary key of decisions; $3 and $4 choose the partitions.
SELECT
    width_bucket(cases.case_id, $2::uuid[]) AS day_number,
    cases.product,
    decisions.release_hash,
    count(*) AS cases
FROM cases
INNER JOIN decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
WHERE cases.book = $1 AND cases.case_id >= $3 AND cases.case_id < $4 AND decisions.case_id >= $3 AND decisions.case_id < $4
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
