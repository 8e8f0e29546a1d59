-- Purpose: what a step came to.
-- $1 uuid: job id; $2 text: content hash
-- Relies on the primary key of job_results.
SELECT body
FROM job_results
WHERE job_id = $1 AND content_hash = $2
