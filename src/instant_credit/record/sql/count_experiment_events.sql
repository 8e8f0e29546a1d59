-- Purpose: how many experiments and events there are; both only grow.
-- Reads the whole of both tables, which are small.
SELECT
    (SELECT count(*)::integer FROM experiments) AS experiments,
    (SELECT count(*)::integer FROM experiment_events) AS events
