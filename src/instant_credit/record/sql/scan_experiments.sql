-- Purpose: every row of experiments as it is stored, as a leaf covers it.
-- Reads the whole of experiments.
SELECT
    experiment,
    plan_hash,
    product,
    name,
    client_id,
    actor_kind,
    actor_id,
    recorded_at
FROM experiments
