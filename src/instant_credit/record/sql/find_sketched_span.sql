-- Purpose: the first and the last day of a book that are sketched; NULLs for none.
-- $1 text: book
-- Relies on the primary key of sketches.
SELECT min(day_on) AS first_on, max(day_on) AS last_on
FROM sketches
WHERE book = $1
