-- Purpose: every row of experiment_events as it is stored, as a leaf covers it.
-- Reads the whole of experiment_events.
SELECT
    experiment,
    number,
    kind,
    reach_from_ppm,
    reach_to_ppm,
    coverage_ppm,
    arm,
    guardrail,
    verdict,
    reason,
    is_single_person,
    client_id,
    actor_kind,
    actor_id,
    recorded_at
FROM experiment_events
