-- Purpose: what was exposed by experiment, segment, category and arm, added up over the days until one; by day where that is asked for.
-- $1 integer[]: experiments; $2 date: the last day; $3 boolean: by day; $4 boolean: everybody alone, no segments
-- Relies on the primary key of experiment_counts.
SELECT
    row.experiment,
    CASE WHEN $3::boolean THEN row.day_on END AS day_on,
    row.segment,
    row.category,
    row.arm,
    sum(row.applications)::bigint AS applications,
    sum(row.offers)::bigint AS offers,
    sum(row.baseline_offers)::bigint AS baseline_offers,
    sum(row.without_pd)::bigint AS without_pd,
    sum(row.offered_cents)::bigint AS offered_cents,
    sum(row.reserved_cents)::bigint AS reserved_cents,
    sum(row.units)::bigint AS units,
    sum(row.unit_offers)::bigint AS unit_offers,
    sum(row.units_in_two_arms)::bigint AS units_in_two_arms
FROM experiment_counts AS row
WHERE row.experiment = ANY($1) AND row.day_on <= $2 AND (NOT $4::boolean OR row.segment = -1)
GROUP BY row.experiment, CASE WHEN $3::boolean THEN row.day_on END, row.segment, row.category, row.arm
ORDER BY row.experiment, CASE WHEN $3::boolean THEN row.day_on END, row.segment, row.category, row.arm
