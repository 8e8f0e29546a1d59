-- Purpose: every planned experiment, in order of numbers.
-- Relies on the primary key of experiments.
SELECT experiment, plan_hash, product, name, client_id, actor_kind, actor_id, recorded_at
FROM experiments
ORDER BY experiment
