-- Purpose: write down what a process counted by arm, with its link: all of it or nothing. A unique violation means that it is written already.
-- $1..$6 by arm: experiment integer[], arm smallint[], applications bigint[], failed bigint[], timed bigint[], slow bigint[]
-- $7 uuid: holder; $8 integer: number; $9 text: actor kind; $10 text: actor id; $11 timestamptz: recorded at
-- $12..$16 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of arm_tallies, and on that of experiments, which it refers to.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($12, $13, $14, $15, $16)
)
INSERT INTO arm_tallies (experiment, arm, holder_id, number, applications, failed, timed, slow, actor_kind, actor_id, recorded_at)
SELECT
    row.experiment,
    row.arm,
    $7::uuid,
    $8::integer,
    row.applications,
    row.failed,
    row.timed,
    row.slow,
    $9::text,
    $10::text,
    $11::timestamptz
FROM unnest($1::integer[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS row (experiment, arm, applications, failed, timed, slow)
