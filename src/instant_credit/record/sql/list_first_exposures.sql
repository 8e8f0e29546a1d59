-- Purpose: the first day with an exposure of each of some experiments that has any.
-- $1 integer[]: experiments
-- Relies on exposures (experiment, exposed_on), which is asked once for each experiment.
SELECT asked.experiment, earliest.exposed_on
FROM unnest($1::integer[]) AS asked (experiment)
CROSS JOIN LATERAL (
    SELECT entry.exposed_on
    FROM exposures AS entry
    WHERE entry.experiment = asked.experiment
    ORDER BY entry.exposed_on
    LIMIT 1
) AS earliest
