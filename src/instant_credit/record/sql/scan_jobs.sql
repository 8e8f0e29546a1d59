-- Purpose: every job as it is stored, as a leaf covers it.
-- Reads the whole of jobs.
SELECT job_id, kind, weight, arguments, natural_key, actor_kind, actor_id, recorded_at, trigger_name, reasons
FROM jobs
