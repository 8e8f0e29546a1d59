-- Purpose: the Cases of loans by their numbers in their books; several rows for a number that several persons have.
-- $1 text[]: books; $2 text[]: natural keys
-- Relies on natural_keys_by_book.
SELECT natural_keys.book, natural_keys.natural_key, natural_keys.case_id
FROM unnest($1::text[], $2::text[]) AS wanted (book, natural_key)
INNER JOIN natural_keys ON natural_keys.book = wanted.book AND natural_keys.natural_key = wanted.natural_key
