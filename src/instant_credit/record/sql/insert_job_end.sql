-- Purpose: write down that a job succeeded and which document it left. A unique violation means that somebody else wrote this number.
-- $1 uuid: job id; $2 integer: number; $3 text: kind; $4 text: step, or NULL; $5 text: result hash, or NULL; $6 text: words, or NULL;
-- $7 uuid: worker; $8 text: actor kind; $9 text: actor id; $10 timestamptz: recorded at; $11 text: hash of the document
-- $12..$16 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of job_events.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($12, $13, $14, $15, $16)
)
INSERT INTO job_events (
    job_id, number, kind, step, result_hash, words, worker_id, actor_kind, actor_id, recorded_at, document_hash
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
