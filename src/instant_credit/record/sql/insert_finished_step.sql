-- Purpose: keep what a step came to, and write down that it finished, both or neither. A unique violation means that somebody else wrote this
-- number.
-- $1 uuid: job id; $2 integer: number; $3 text: kind; $4 text: step; $5 text: result hash; $6 text: words, or NULL; $7 uuid: worker;
-- $8 text: actor kind; $9 text: actor id; $10 timestamptz: recorded at; $11 bytea: result
-- $12..$16 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of job_events and job_results.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($12, $13, $14, $15, $16)
),
kept AS (
    INSERT INTO job_results (job_id, content_hash, body)
    VALUES ($1, $5, $11)
    ON CONFLICT (job_id, content_hash) DO NOTHING
)
INSERT INTO job_events (job_id, number, kind, step, result_hash, words, worker_id, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
