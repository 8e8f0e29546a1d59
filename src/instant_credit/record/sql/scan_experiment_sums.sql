-- Purpose: every row of experiment_sums as it is stored, as a leaf covers it.
-- Reads the whole of experiment_sums.
SELECT
    experiment,
    metric,
    segment,
    category,
    arm,
    ripe_on,
    units,
    s,
    y,
    x,
    ss,
    sy,
    sx,
    yy,
    yx,
    xx,
    hits,
    actor_kind,
    actor_id,
    recorded_at
FROM experiment_sums
