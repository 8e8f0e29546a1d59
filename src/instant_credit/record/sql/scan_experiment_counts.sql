-- Purpose: every row of experiment_counts as it is stored, as a leaf covers it.
-- Reads the whole of experiment_counts.
SELECT
    experiment,
    day_on,
    segment,
    category,
    arm,
    applications,
    offers,
    baseline_offers,
    without_pd,
    offered_cents,
    reserved_cents,
    units,
    unit_offers,
    units_in_two_arms,
    actor_kind,
    actor_id,
    recorded_at
FROM experiment_counts
