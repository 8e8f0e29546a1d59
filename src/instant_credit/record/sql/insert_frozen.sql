-- Purpose: write down what a day gave some experiments, with its link: all of it or nothing. A unique violation means that the day was frozen already.
-- $1..$17 sums: experiment integer[], metric smallint[], segment smallint[], category smallint[], arm smallint[], ripe_on date[],
--   units bigint[], s float8[], y float8[], x float8[], ss float8[], sy float8[], sx float8[], yy float8[], yx float8[], xx float8[],
--   hits float8[]
-- $18..$24 hazards: experiment integer[], metric smallint[], arm smallint[], month smallint[], known_on date[], at_risk bigint[], defaults bigint[]
-- $25..$38 counts: experiment integer[], day_on date[], segment smallint[], category smallint[], arm smallint[], applications bigint[],
--   offers bigint[], baseline_offers bigint[], without_pd bigint[], offered_cents bigint[], reserved_cents bigint[], units bigint[],
--   unit_offers bigint[], units_in_two_arms bigint[]
-- $39 text: actor kind; $40 text: actor id; $41 timestamptz: recorded at
-- $42..$46 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of the three tables, whose uniqueness decides races, and on that of experiments, which they refer to.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($42, $43, $44, $45, $46)
), inserted_sums AS (
    INSERT INTO experiment_sums (
        experiment, metric, segment, category, arm, ripe_on, units, s, y, x, ss, sy, sx, yy, yx, xx, hits, actor_kind, actor_id,
        recorded_at
    )
    SELECT
        row.experiment, row.metric, row.segment, row.category, row.arm, row.ripe_on, row.units, row.s, row.y, row.x, row.ss, row.sy, row.sx,
        row.yy, row.yx, row.xx, row.hits, $39::text, $40::text, $41::timestamptz
    FROM unnest(
        $1::integer[], $2::smallint[], $3::smallint[], $4::smallint[], $5::smallint[], $6::date[], $7::bigint[], $8::float8[], $9::float8[],
        $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::float8[], $15::float8[], $16::float8[], $17::float8[]
    ) AS row (experiment, metric, segment, category, arm, ripe_on, units, s, y, x, ss, sy, sx, yy, yx, xx, hits)
), inserted_hazards AS (
    INSERT INTO experiment_hazards (experiment, metric, arm, month, known_on, at_risk, defaults, actor_kind, actor_id, recorded_at)
    SELECT
        row.experiment, row.metric, row.arm, row.month, row.known_on, row.at_risk, row.defaults, $39::text, $40::text, $41::timestamptz
    FROM unnest(
        $18::integer[], $19::smallint[], $20::smallint[], $21::smallint[], $22::date[], $23::bigint[], $24::bigint[]
    ) AS row (experiment, metric, arm, month, known_on, at_risk, defaults)
)
INSERT INTO experiment_counts (
    experiment, day_on, segment, category, arm, applications, offers, baseline_offers, without_pd, offered_cents, reserved_cents, units,
    unit_offers, units_in_two_arms, actor_kind, actor_id, recorded_at
)
SELECT
    row.experiment, row.day_on, row.segment, row.category, row.arm, row.applications, row.offers, row.baseline_offers, row.without_pd,
    row.offered_cents, row.reserved_cents, row.units, row.unit_offers, row.units_in_two_arms, $39::text, $40::text, $41::timestamptz
FROM unnest(
    $25::integer[], $26::date[], $27::smallint[], $28::smallint[], $29::smallint[], $30::bigint[], $31::bigint[], $32::bigint[],
    $33::bigint[], $34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[], $38::bigint[]
) AS row (
    experiment, day_on, segment, category, arm, applications, offers, baseline_offers, without_pd, offered_cents, reserved_cents, units,
    unit_offers, units_in_two_arms
)
