-- Purpose: the sketches of a book's days, the newest revision of each, by day, release and reference.
-- $1 text: book; $2 date: first day; $3 date: last day
-- Relies on the primary key of sketches.
SELECT DISTINCT ON (day_on, release_hash, reference_hash)
    book,
    product,
    release_hash,
    reference_hash,
    day_on,
    revision,
    cases,
    erased,
    variable_counts,
    score_counts,
    outcome_counts,
    reason_codes,
    reason_counts,
    grid_counts,
    grid_pd_ppm_sums,
    offered_counts,
    offered_pd_ppm_sums
FROM sketches
WHERE book = $1 AND day_on BETWEEN $2 AND $3
ORDER BY day_on, release_hash, reference_hash, revision DESC
