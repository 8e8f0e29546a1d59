-- Purpose: how many were at risk and how many defaulted, by experiment, metric, arm and month, added up over the days until one.
-- $1 integer[]: experiments; $2 date: the last day
-- Relies on the primary key of experiment_hazards.
SELECT
    row.experiment, row.metric, row.arm, row.month, sum(row.at_risk)::bigint AS at_risk, sum(row.defaults)::bigint AS defaults
FROM experiment_hazards AS row
WHERE row.experiment = ANY($1) AND row.known_on <= $2
GROUP BY row.experiment, row.metric, row.arm, row.month
ORDER BY row.experiment, row.metric, row.arm, row.month
