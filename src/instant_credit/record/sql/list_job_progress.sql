-- Purpose: how far jobs are, and how many seconds ago that was told.
-- $1 uuid[]: job ids
-- Relies on the primary key of job_progress.
SELECT job_id, stage, done, total, extract(EPOCH FROM now() - told_at)::float8 AS silent_seconds
FROM job_progress
WHERE job_id = ANY($1::uuid[])
