-- Purpose: the least id of a decided Case of a book, NULL for none.
-- $1 text: book
-- Relies on cases_by_book and on the primary key of decisions.
SELECT cases.case_id
FROM cases
INNER JOIN decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
WHERE cases.book = $1
ORDER BY cases.case_id
LIMIT 1
