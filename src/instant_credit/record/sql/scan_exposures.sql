-- Purpose: every row of exposures as it is stored, as a leaf covers it.
-- Reads the whole of exposures.
SELECT
    bucket,
    case_id,
    experiment,
    arm,
    unit_id,
    exposed_on,
    propensity_ppm,
    reach_ppm,
    baseline_pd_ppm,
    baseline_is_offer,
    is_offer,
    offered_cents,
    reserved_cents,
    segments::text AS segments,
    recorded_at
FROM exposures
