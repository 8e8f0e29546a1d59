-- Purpose: write down that a job is to be cancelled, and take it off the queue where it still waits, both or neither. A unique violation means
-- that somebody else wrote this number.
-- $1 uuid: job id; $2 integer: number; $3 text: kind; $4 text: step, NULL; $5 text: result hash, NULL; $6 text: words, NULL; $7 uuid: worker, NULL;
-- $8 text: actor kind; $9 text: actor id; $10 timestamptz: recorded at
-- $11..$15 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of job_events; the queue holds few rows.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($11, $12, $13, $14, $15)
),
taken_off AS (
    DELETE FROM pgqueuer
    WHERE pgqueuer.payload = uuid_send($1) AND pgqueuer.status = 'queued'
    RETURNING id, entrypoint, priority
),
logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT taken_off.id, 'canceled', taken_off.entrypoint, taken_off.priority FROM taken_off
)
INSERT INTO job_events (job_id, number, kind, step, result_hash, words, worker_id, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
