-- Purpose: the window that was judged last of every product of a book.
-- $1 text: book
-- Relies on the primary key of monitoring_windows.
SELECT DISTINCT ON (product)
    product, last_on, first_on, rules_hash, release_hash, reference_hash, cases, report, recorded_at
FROM monitoring_windows
WHERE book = $1
ORDER BY product, last_on DESC
