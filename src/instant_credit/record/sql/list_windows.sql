-- Purpose: the windows of a book and product that were judged last, the latest first.
-- $1 text: book; $2 text: product; $3 bigint: most rows
-- Relies on the primary key of monitoring_windows.
SELECT last_on, first_on, rules_hash, release_hash, reference_hash, cases, report, recorded_at
FROM monitoring_windows
WHERE book = $1 AND product = $2
ORDER BY last_on DESC
LIMIT $3
