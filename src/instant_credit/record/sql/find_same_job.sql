-- Purpose: the job of a natural key, or the one of this kind and these arguments that waits or runs; nothing where there is none.
-- $1 text: kind; $2 bytea: arguments; $3 text: natural key, or NULL
-- Relies on the unique index of jobs and on pgqueuer_unique_dedupe_key.
SELECT jobs.job_id
FROM jobs
WHERE jobs.natural_key = $3
UNION ALL
SELECT encode(pgqueuer.payload, 'hex')::uuid
FROM pgqueuer
WHERE pgqueuer.dedupe_key = $1 || ' ' || encode(sha256($2), 'hex') AND pgqueuer.status IN ('queued', 'picked')
LIMIT 1
