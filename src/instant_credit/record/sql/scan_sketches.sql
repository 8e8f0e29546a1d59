-- Purpose: every sketch as it is stored, as a leaf covers it.
-- Reads the whole of sketches.
SELECT
    book,
    day_on,
    release_hash,
    reference_hash,
    revision,
    product,
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
    offered_pd_ppm_sums,
    actor_kind,
    actor_id,
    recorded_at
FROM sketches
