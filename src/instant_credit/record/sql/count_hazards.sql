-- Purpose: of units whose so many months after the first exposure were over and known about on a day, how many had not defaulted before the last of
-- these months, and how many did in it. A unit's first application speaks for it. One whose default depends on a ledger that only its loan's history
-- tells (instalments that fell due) comes as a row of its own, with its Case.
-- $1 date: the day; $2..$5 metrics: experiment integer[], metric smallint[], lag_days integer[], past_due_days integer[];
-- $6 integer[]: months of each metric; $7 integer: days of a month
-- Relies on exposures (experiment, exposed_on) and (experiment, unit_id, exposed_on), and on the primary key of repayment_events. Tasks are few, so
-- they drive look-ups: OFFSET and LIMIT keep the planner, which takes them for many, from reading all exposures instead.
WITH tasks AS MATERIALIZED (
    SELECT
        row.experiment, row.metric, row.past_due_days, month.month, $1::date - row.lag_days - month.month * $7::integer AS first_on,
        $1::date - row.lag_days - $7::integer AS begin_on, $1::date - row.lag_days AS last_on
    FROM unnest($2::integer[], $3::smallint[], $4::integer[], $5::integer[], $6::integer[])
        AS row (experiment, metric, lag_days, past_due_days, months)
    CROSS JOIN LATERAL generate_series(1, row.months) AS month (month)
), firsts AS MATERIALIZED (
    SELECT DISTINCT ON (task.experiment, task.metric, task.month, entry.unit_id)
        task.experiment, task.metric, task.past_due_days, task.month, task.begin_on, task.last_on, entry.arm, entry.bucket, entry.case_id
    FROM tasks AS task
    CROSS JOIN LATERAL (
        SELECT exposed.unit_id, exposed.arm, exposed.bucket, exposed.case_id
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
    ORDER BY task.experiment, task.metric, task.month, entry.unit_id, entry.case_id
)
SELECT
    first.experiment,
    first.metric,
    first.arm,
    first.month::smallint AS month,
    first.begin_on,
    first.last_on,
    min(told.bad_on) AS bad_on,
    count(*) AS at_risk,
    count(*) FILTER (WHERE told.bad_on <= first.last_on) AS defaults,
    min(first.case_id::text) FILTER (WHERE told.has_ledger)::uuid AS open_case
FROM firsts AS first
CROSS JOIN LATERAL (
    SELECT
        min(event.event_on) FILTER (
            WHERE event.kind IN ('charged_off', 'delinquent') OR event.days_past_due >= first.past_due_days
        ) AS bad_on,
        count(*) FILTER (WHERE event.kind IN ('instalment_due', 'missed')) > 0 AS has_ledger
    FROM repayment_events AS event
    WHERE
        event.bucket = first.bucket
        AND event.case_id = first.case_id
        AND event.kind <> 'void'
        AND event.event_on <= first.last_on
        AND event.known_on <= $1::date
        AND NOT EXISTS (
            SELECT FROM repayment_events AS later
            WHERE
                later.bucket = first.bucket
                AND later.case_id = first.case_id
                AND later.corrects = event.event_id
                AND later.known_on <= $1::date
        )
) AS told
WHERE told.bad_on IS NULL OR told.bad_on > first.begin_on
GROUP BY
    first.experiment, first.metric, first.arm, first.month, first.begin_on, first.last_on,
    CASE WHEN told.has_ledger THEN first.case_id END
