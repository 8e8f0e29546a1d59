-- Purpose: sums of ripe units by experiment, metric, segment, category and arm, added up over the days until one, in their order, so that the same
-- days give the same bytes; by day where that is asked for.
-- $1 integer[]: experiments; $2 date: the last day; $3 boolean: by day; $4 smallint: metric or NULL; $5 boolean: everybody alone, no segments
-- Relies on the primary key of experiment_sums.
SELECT
    row.experiment,
    row.metric,
    row.segment,
    row.category,
    row.arm,
    CASE WHEN $3::boolean THEN row.ripe_on END AS ripe_on,
    sum(row.units)::bigint AS units,
    sum(row.s ORDER BY row.ripe_on) AS s,
    sum(row.y ORDER BY row.ripe_on) AS y,
    sum(row.x ORDER BY row.ripe_on) AS x,
    sum(row.ss ORDER BY row.ripe_on) AS ss,
    sum(row.sy ORDER BY row.ripe_on) AS sy,
    sum(row.sx ORDER BY row.ripe_on) AS sx,
    sum(row.yy ORDER BY row.ripe_on) AS yy,
    sum(row.yx ORDER BY row.ripe_on) AS yx,
    sum(row.xx ORDER BY row.ripe_on) AS xx,
    sum(row.hits ORDER BY row.ripe_on) AS hits
FROM experiment_sums AS row
WHERE
    row.experiment = ANY($1)
    AND row.ripe_on <= $2
    AND ($4::smallint IS NULL OR row.metric = $4)
    AND (NOT $5::boolean OR row.segment = -1)
GROUP BY row.experiment, row.metric, row.segment, row.category, row.arm, CASE WHEN $3::boolean THEN row.ripe_on END
ORDER BY row.experiment, row.metric, row.segment, row.category, row.arm, CASE WHEN $3::boolean THEN row.ripe_on END
