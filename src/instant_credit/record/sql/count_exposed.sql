-- Purpose: what a day exposed, by experiment, segment, category and arm.
-- $1 date: the day; $2 integer[]: experiments
-- Relies on exposures (experiment, exposed_on) and (experiment, unit_id, exposed_on), and on experiments being few, so that they drive look-ups.
WITH exposed AS MATERIALIZED (
    SELECT
        entry.experiment,
        entry.arm,
        entry.unit_id,
        entry.is_offer,
        entry.baseline_is_offer,
        entry.baseline_pd_ppm,
        entry.offered_cents,
        entry.reserved_cents,
        entry.segments,
        first.case_id = entry.case_id AS is_first,
        entry.arm <> first.arm AND NOT EXISTS (
            SELECT FROM exposures AS strayed
            WHERE
                strayed.experiment = entry.experiment
                AND strayed.unit_id = entry.unit_id
                AND strayed.exposed_on < $1::date
                AND strayed.arm <> first.arm
        ) AS is_astray
    FROM unnest($2::integer[]) AS asked (experiment)
    INNER JOIN exposures AS entry ON entry.experiment = asked.experiment AND entry.exposed_on = $1::date
    CROSS JOIN LATERAL (
        SELECT earliest.arm, earliest.case_id
        FROM exposures AS earliest
        WHERE
            earliest.experiment = entry.experiment AND earliest.unit_id = entry.unit_id AND earliest.exposed_on <= $1::date
        ORDER BY earliest.exposed_on, earliest.case_id
        LIMIT 1
    ) AS first
)
SELECT
    entry.experiment,
    cell.segment,
    cell.category,
    entry.arm,
    count(*) AS applications,
    count(*) FILTER (WHERE entry.is_offer) AS offers,
    count(*) FILTER (WHERE entry.baseline_is_offer) AS baseline_offers,
    count(*) FILTER (WHERE entry.baseline_pd_ppm IS NULL) AS without_pd,
    sum(entry.offered_cents)::bigint AS offered_cents,
    sum(entry.reserved_cents)::bigint AS reserved_cents,
    count(*) FILTER (WHERE entry.is_first) AS units,
    count(*) FILTER (WHERE entry.is_first AND entry.is_offer) AS unit_offers,
    count(DISTINCT entry.unit_id) FILTER (WHERE entry.is_astray) AS units_in_two_arms
FROM exposed AS entry
CROSS JOIN LATERAL (
    SELECT -1::smallint AS segment, -1::smallint AS category
    UNION ALL
    SELECT (one.place - 1)::smallint AS segment, one.category
    FROM unnest(entry.segments) WITH ORDINALITY AS one (category, place)
) AS cell
GROUP BY entry.experiment, cell.segment, cell.category, entry.arm
