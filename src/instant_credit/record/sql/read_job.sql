-- Purpose: one job.
-- $1 uuid: job id
-- Relies on the primary key of jobs.
SELECT job_id, kind, weight, arguments, actor_kind, actor_id, recorded_at, trigger_name, reasons
FROM jobs
WHERE job_id = $1
