-- Purpose: queue an ended job again, and write that down, both or neither. A unique violation means that somebody else wrote this number, or that
-- the same job waits or runs.
-- $1 uuid: job id; $2 integer: number; $3 text: kind; $4 text: step, NULL; $5 text: result hash, NULL; $6 text: words, NULL; $7 uuid: worker, NULL;
-- $8 text: actor kind; $9 text: actor id; $10 timestamptz: recorded at
-- $11..$15 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of jobs and job_events, and on pgqueuer_unique_dedupe_key.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($11, $12, $13, $14, $15)
),
queued AS (
    INSERT INTO pgqueuer (priority, entrypoint, dedupe_key, payload, status)
    SELECT 0, jobs.weight, jobs.kind || ' ' || encode(sha256(jobs.arguments), 'hex'), uuid_send($1), 'queued'
    FROM jobs
    WHERE jobs.job_id = $1
    RETURNING id, entrypoint, priority
),
logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT queued.id, 'queued', queued.entrypoint, queued.priority FROM queued
)
INSERT INTO job_events (job_id, number, kind, step, result_hash, words, worker_id, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
