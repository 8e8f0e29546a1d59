-- Purpose: the events of one experiment, or of all, in order.
-- $1 integer: experiment or NULL
-- Relies on the primary key of experiment_events.
SELECT
    experiment, number, kind, reach_from_ppm, reach_to_ppm, coverage_ppm, arm, guardrail, verdict, reason, is_single_person, client_id,
    actor_kind, actor_id, recorded_at
FROM experiment_events
WHERE $1::integer IS NULL OR experiment = $1
ORDER BY experiment, number
