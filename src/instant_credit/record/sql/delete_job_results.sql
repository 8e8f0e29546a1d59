-- Purpose: throw away what the steps came to of a job that succeeded, and of every job that ended before an instant.
-- $1 uuid: job id, or NULL; $2 timestamptz: before
-- Relies on the primary keys of job_results and job_events.
DELETE FROM job_results
WHERE job_results.job_id = $1 OR job_results.job_id IN (
    SELECT last.job_id
    FROM (
        SELECT DISTINCT ON (job_events.job_id) job_events.job_id, job_events.kind, job_events.recorded_at
        FROM job_events
        WHERE job_events.job_id IN (SELECT stored.job_id FROM job_results AS stored)
        ORDER BY job_events.job_id, job_events.number DESC
    ) AS last
    WHERE last.kind IN ('succeeded', 'failed', 'cancelled', 'cancel_asked') AND last.recorded_at < $2
)
