-- Purpose: the last day that was frozen of each experiment that has one.
-- Relies on the primary key of experiment_counts, which is asked once for each experiment.
SELECT planned.experiment, latest.day_on
FROM experiments AS planned
CROSS JOIN LATERAL (
    SELECT counted.day_on
    FROM experiment_counts AS counted
    WHERE counted.experiment = planned.experiment
    ORDER BY counted.day_on DESC
    LIMIT 1
) AS latest
