-- Purpose: what all processes counted of the arms of some experiments, added up.
-- $1 integer[]: experiments
-- Relies on the primary key of arm_tallies.
SELECT
    experiment,
    arm,
    sum(applications)::bigint AS applications,
    sum(failed)::bigint AS failed,
    sum(timed)::bigint AS timed,
    sum(slow)::bigint AS slow
FROM arm_tallies
WHERE experiment = ANY($1)
GROUP BY experiment, arm
ORDER BY experiment, arm
