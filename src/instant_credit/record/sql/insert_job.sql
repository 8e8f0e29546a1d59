-- Purpose: keep a job and queue it, all or nothing, with their link. A unique violation means that its natural key is known, or that the same
-- job waits or runs.
-- $1 uuid: job id; $2 text: kind; $3 text: weight; $4 bytea: arguments; $5 text: natural key, or NULL; $6 text: actor kind; $7 text: actor id;
-- $8 timestamptz: recorded at; $9 text: name of the trigger, or NULL; $10 text: reasons, or NULL
-- $11..$15 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the unique indexes of jobs and on pgqueuer_unique_dedupe_key.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($11, $12, $13, $14, $15)
),
queued AS (
    INSERT INTO pgqueuer (priority, entrypoint, dedupe_key, payload, status)
    VALUES (0, $3, $2 || ' ' || encode(sha256($4), 'hex'), uuid_send($1), 'queued')
    RETURNING id, entrypoint, priority
),
logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT queued.id, 'queued', queued.entrypoint, queued.priority FROM queued
)
INSERT INTO jobs (job_id, kind, weight, arguments, natural_key, actor_kind, actor_id, recorded_at, trigger_name, reasons)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
