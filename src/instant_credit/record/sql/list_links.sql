-- Purpose: links of writers within bounds, in order of writer and number.
-- $1 uuid[]: writers; $2 bigint[]: first numbers; $3 bigint[]: last numbers
-- Relies on the primary key of links.
SELECT links.writer_id, links.seq, links.link, links.leaves, links.recorded_at
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS wanted (writer_id, first, last)
INNER JOIN links ON links.writer_id = wanted.writer_id AND links.seq BETWEEN wanted.first AND wanted.last
ORDER BY links.writer_id, links.seq
