-- Purpose: everything that happened to jobs as it is stored, as a leaf covers it.
-- Reads the whole of job_events.
SELECT job_id, number, kind, step, result_hash, words, worker_id, actor_kind, actor_id, recorded_at, document_hash
FROM job_events
