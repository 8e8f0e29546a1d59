-- Purpose: what happened to jobs, in order.
-- $1 uuid[]: job ids
-- Relies on the primary key of job_events.
SELECT job_id, number, kind, step, result_hash, words, worker_id, recorded_at, document_hash
FROM job_events
WHERE job_id = ANY($1::uuid[])
ORDER BY job_id, number
