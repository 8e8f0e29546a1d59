-- Purpose: jobs, the newest first.
-- $1 bigint: at most so many
-- Relies on jobs_by_time.
SELECT job_id, kind, weight, arguments, actor_kind, actor_id, recorded_at, trigger_name, reasons
FROM jobs
ORDER BY recorded_at DESC, job_id DESC
LIMIT $1
