-- Purpose: how many Cases the newest sketch of each day, release and reference holds, erased ones among them.
-- $1 text: book; $2 date: first day; $3 date: last day
-- Relies on the primary key of sketches.
SELECT DISTINCT ON (day_on, release_hash, reference_hash)
    day_on,
    release_hash,
    reference_hash,
    revision,
    cases + erased AS cases
FROM sketches
WHERE book = $1 AND day_on BETWEEN $2 AND $3
ORDER BY day_on, release_hash, reference_hash, revision DESC
