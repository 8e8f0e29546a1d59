-- Purpose: whether there are rows and no chain, as in a record that was made before there was one.
-- Relies on no index: it reads one row of each table.
SELECT
    NOT EXISTS (SELECT FROM links)
    AND (
        EXISTS (SELECT FROM cases)
        OR EXISTS (SELECT FROM documents)
        OR EXISTS (SELECT FROM api_keys)
        OR EXISTS (SELECT FROM master_key_events)
    )
