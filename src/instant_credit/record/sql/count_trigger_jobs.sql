-- Purpose: how many jobs of a kind a trigger asked for, and when it did so last; NULL = never.
-- $1 text: name of the trigger; $2 text: kind
-- Relies on jobs_by_trigger.
SELECT count(*) AS jobs, max(recorded_at) AS last_at
FROM jobs
WHERE trigger_name = $1 AND kind = $2
