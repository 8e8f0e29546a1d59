-- Purpose: every row of experiment_hazards as it is stored, as a leaf covers it.
-- Reads the whole of experiment_hazards.
SELECT
    experiment,
    metric,
    arm,
    month,
    known_on,
    at_risk,
    defaults,
    actor_kind,
    actor_id,
    recorded_at
FROM experiment_hazards
