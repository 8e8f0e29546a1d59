-- Purpose: how many links and how many leaves there are.
-- Reads the whole of links, without the leaves themselves.
SELECT count(*) AS links, coalesce(sum(octet_length(leaves) / 32), 0)::bigint AS leaves
FROM links
