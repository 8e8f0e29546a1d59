-- Purpose: the sums of units that became ripe on a day, for many metrics of experiments at once. A unit whose value depends on a ledger that only
-- its loans' history tells (instalments that fell due) comes as a row of its own, with the Cases to look into in open_cases.
-- $1 date: the day; $2..$8 metrics: experiment integer[], metric smallint[], kind text[], window_days integer[], ripe_days integer[],
--   past_due_days integer[], cents_max bigint[] (0 where it is no money)
-- A unit enters by its first exposure (of one day the least Case), which fixes arm and segments; its applications within the window make its size;
-- one that drew another arm within the window is left out. Events count as known on the day and as they happened within the window.
-- Amounts in cents, covariates in ppm, all of them whole numbers: sums are exact in any order.
-- Relies on exposures (experiment, exposed_on) and (experiment, unit_id, exposed_on), on the primary keys of application_events and
--   repayment_events, and on metrics being few, so that they drive look-ups: OFFSET and LIMIT keep the planner from reading all exposures.
WITH tasks AS MATERIALIZED (
    SELECT
        row.experiment, row.metric, row.kind, row.past_due_days, row.cents_max, $1::date - row.ripe_days AS first_on,
        $1::date - row.ripe_days + row.window_days AS last_on
    FROM unnest($2::integer[], $3::smallint[], $4::text[], $5::integer[], $6::integer[], $7::integer[], $8::bigint[])
        AS row (experiment, metric, kind, window_days, ripe_days, past_due_days, cents_max)
), firsts AS MATERIALIZED (
    SELECT DISTINCT ON (task.experiment, task.metric, entry.unit_id)
        task.experiment, task.metric, task.kind, task.past_due_days, task.cents_max, task.first_on, task.last_on, entry.unit_id, entry.arm,
        entry.segments
    FROM tasks AS task
    CROSS JOIN LATERAL (
        SELECT exposed.unit_id, exposed.arm, exposed.segments, exposed.case_id
        FROM exposures AS exposed
        WHERE exposed.experiment = task.experiment AND exposed.exposed_on = task.first_on
        OFFSET 0
    ) AS entry
    LEFT JOIN LATERAL (
        SELECT TRUE AS is_seen
        FROM exposures AS earlier
        WHERE
            earlier.experiment = task.experiment AND earlier.unit_id = entry.unit_id AND earlier.exposed_on < task.first_on
        LIMIT 1
    ) AS before ON TRUE
    WHERE before.is_seen IS NULL
    ORDER BY task.experiment, task.metric, entry.unit_id, entry.case_id
), units AS MATERIALIZED (
    SELECT
        first.experiment,
        first.metric,
        first.kind,
        first.unit_id,
        first.arm,
        first.segments,
        bool_or(applied.arm <> first.arm) AS is_in_two_arms,
        count(*)::numeric AS s,
        sum(
            CASE first.kind
                WHEN 'approval' THEN applied.is_offer::integer
                WHEN 'take_up' THEN taken.is_taken::integer
                WHEN 'loss' THEN greatest(least(told.lost_cents, first.cents_max), -first.cents_max)
                WHEN 'profit' THEN greatest(least(told.gained_cents, first.cents_max), -first.cents_max)
                ELSE told.is_bad::integer
            END
        )::numeric AS y,
        sum(coalesce(applied.baseline_pd_ppm, 0))::numeric AS x,
        array_agg(applied.case_id ORDER BY applied.case_id) FILTER (
            WHERE first.kind IN ('early_delinquency', 'default') AND told.has_ledger AND NOT told.is_bad
        ) AS open_cases
    FROM firsts AS first
    INNER JOIN exposures AS applied
        ON
            applied.experiment = first.experiment
            AND applied.unit_id = first.unit_id
            AND applied.exposed_on BETWEEN first.first_on AND first.last_on
    CROSS JOIN LATERAL (
        SELECT count(*) > 0 AS is_taken
        FROM application_events AS event
        WHERE
            first.kind = 'take_up'
            AND event.bucket = applied.bucket
            AND event.case_id = applied.case_id
            AND event.kind = 'accepted'
            AND (event.recorded_at AT TIME ZONE 'UTC')::date <= first.last_on
    ) AS taken
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (
                WHERE event.kind IN ('charged_off', 'delinquent') OR event.days_past_due >= first.past_due_days
            ) > 0 AS is_bad,
            count(*) FILTER (WHERE event.kind IN ('instalment_due', 'missed')) > 0 AS has_ledger,
            coalesce(sum(event.amount_cents) FILTER (WHERE event.kind = 'charged_off'), 0)
            - coalesce(sum(event.amount_cents) FILTER (WHERE event.kind = 'recovered'), 0) AS lost_cents,
            -- What repaid a loan in full is told as everything received, its payments among it.
            greatest(
                coalesce(sum(event.amount_cents) FILTER (WHERE event.kind IN ('payment', 'prepaid')), 0),
                coalesce(sum(event.amount_cents) FILTER (WHERE event.kind = 'paid'), 0)
            )
            + coalesce(sum(event.amount_cents) FILTER (WHERE event.kind = 'recovered'), 0)
            - coalesce(sum(event.amount_cents) FILTER (WHERE event.kind = 'disbursed'), 0) AS gained_cents
        FROM repayment_events AS event
        WHERE
            first.kind IN ('early_delinquency', 'default', 'loss', 'profit')
            AND event.bucket = applied.bucket
            AND event.case_id = applied.case_id
            AND event.kind <> 'void'
            AND event.event_on <= first.last_on
            AND event.known_on <= $1::date
            AND NOT EXISTS (
                SELECT FROM repayment_events AS later
                WHERE
                    later.bucket = applied.bucket
                    AND later.case_id = applied.case_id
                    AND later.corrects = event.event_id
                    AND later.known_on <= $1::date
            )
    ) AS told
    GROUP BY first.experiment, first.metric, first.kind, first.unit_id, first.arm, first.segments
)
SELECT
    unit.experiment,
    unit.metric,
    cell.segment,
    cell.category,
    unit.arm,
    count(*) AS units,
    sum(unit.s) AS s,
    sum(unit.y) AS y,
    sum(unit.x) AS x,
    sum(unit.s * unit.s) AS ss,
    sum(unit.s * unit.y) AS sy,
    sum(unit.s * unit.x) AS sx,
    sum(unit.y * unit.y) AS yy,
    sum(unit.y * unit.x) AS yx,
    sum(unit.x * unit.x) AS xx,
    sum(CASE WHEN unit.kind IN ('loss', 'profit') THEN 0 ELSE div(unit.y * 1000000, unit.s) END) AS hits_ppm,
    min(unit.open_cases) AS open_cases
FROM units AS unit
CROSS JOIN LATERAL (
    SELECT -1::smallint AS segment, -1::smallint AS category
    UNION ALL
    SELECT (one.place - 1)::smallint AS segment, one.category
    FROM unnest(unit.segments) WITH ORDINALITY AS one (category, place)
) AS cell
WHERE NOT unit.is_in_two_arms
GROUP BY
    unit.experiment, unit.metric, cell.segment, cell.category, unit.arm,
    CASE WHEN unit.open_cases IS NOT NULL THEN unit.unit_id END
