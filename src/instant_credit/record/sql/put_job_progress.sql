-- Purpose: tell how far a job is, by the database's clock.
-- $1 uuid: job id; $2 text: stage; $3 bigint: done; $4 bigint: of how many, or NULL
-- Relies on the primary key of job_progress.
INSERT INTO job_progress (job_id, stage, done, total, told_at)
VALUES ($1, $2, $3, $4, now())
ON CONFLICT (job_id) DO UPDATE SET
    stage = excluded.stage, done = excluded.done, total = excluded.total, told_at = excluded.told_at
