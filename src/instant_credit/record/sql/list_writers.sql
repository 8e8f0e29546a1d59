-- Purpose: every writer of the chain with the number of its last link, and when that and its first one were recorded.
-- Relies on the primary key of links: three probes a writer, however many links there are.
WITH RECURSIVE writers AS (
    (SELECT links.writer_id FROM links ORDER BY links.writer_id LIMIT 1)
    UNION ALL
    SELECT (SELECT links.writer_id FROM links WHERE links.writer_id > writers.writer_id ORDER BY links.writer_id LIMIT 1)
    FROM writers
    WHERE writers.writer_id IS NOT NULL
)
SELECT writers.writer_id, latest.seq, latest.recorded_at, earliest.recorded_at AS began_at
FROM writers
CROSS JOIN LATERAL (
    SELECT links.seq, links.recorded_at
    FROM links
    WHERE links.writer_id = writers.writer_id
    ORDER BY links.seq DESC
    LIMIT 1
) AS latest
CROSS JOIN LATERAL (
    SELECT links.recorded_at FROM links WHERE links.writer_id = writers.writer_id ORDER BY links.seq LIMIT 1
) AS earliest
