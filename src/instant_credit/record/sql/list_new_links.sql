-- Purpose: the links of writers after given ones, in order of writer and number.
-- $1 uuid[]: writers; $2 bigint[]: numbers after which to go on; $3 bigint: most links
-- Relies on the primary key of links.
SELECT links.writer_id, links.seq, links.link
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (writer_id, seq)
INNER JOIN links ON links.writer_id = wanted.writer_id AND links.seq > wanted.seq
ORDER BY links.writer_id, links.seq
LIMIT $3
