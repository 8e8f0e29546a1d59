-- Purpose: every writer of the chain with the number of its last link.
-- Relies on the primary key of links: one probe a writer, however many links there are.
WITH RECURSIVE writers AS (
    (SELECT links.writer_id FROM links ORDER BY links.writer_id LIMIT 1)
    UNION ALL
    SELECT (SELECT links.writer_id FROM links WHERE links.writer_id > writers.writer_id ORDER BY links.writer_id LIMIT 1)
    FROM writers
    WHERE writers.writer_id IS NOT NULL
)
SELECT writers.writer_id, latest.seq
FROM writers
CROSS JOIN LATERAL (
    SELECT links.seq FROM links WHERE links.writer_id = writers.writer_id ORDER BY links.seq DESC LIMIT 1
) AS latest
