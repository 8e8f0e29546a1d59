-- Purpose: the ids of the Cases of a product that a book recorded last, the latest first.
-- $1 text: book; $2 text: product; $3 bigint: most rows
-- Relies on cases_by_book; the time inside an id orders them.
SELECT cases.case_id
FROM cases
WHERE cases.book = $1 AND cases.product = $2
ORDER BY cases.case_id DESC
LIMIT $3
