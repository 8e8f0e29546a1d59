-- Purpose: add the next event of an experiment, with its link. A unique violation means that another one came first.
-- $1 integer: experiment; $2 integer: number; $3 text: kind; $4 integer: reach from ppm or NULL; $5 integer: reach to ppm or NULL;
-- $6 integer: coverage ppm or NULL; $7 text: arm or NULL; $8 text: guardrail or NULL; $9 text: verdict or NULL; $10 text: reason or NULL;
-- $11 boolean: is of a single person; $12 text: client id or NULL; $13 text: actor kind; $14 text: actor id; $15 timestamptz: recorded at
-- $16..$20 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of experiment_events, whose uniqueness decides races, and on that of experiments, which it refers to.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($16, $17, $18, $19, $20)
)
INSERT INTO experiment_events (
    experiment, number, kind, reach_from_ppm, reach_to_ppm, coverage_ppm, arm, guardrail, verdict, reason, is_single_person, client_id,
    actor_kind, actor_id, recorded_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
