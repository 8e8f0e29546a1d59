-- Purpose: books with their products and how much they hold.
-- Reads the whole of cases.
SELECT
    cases.book,
    cases.product,
    count(*) AS cases,
    count(decisions.decision_id) AS decisions,
    min(cases.as_of) AS first_as_of,
    max(cases.as_of) AS last_as_of
FROM cases
LEFT JOIN decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
GROUP BY cases.book, cases.product
ORDER BY cases.book COLLATE "C", cases.product COLLATE "C"
