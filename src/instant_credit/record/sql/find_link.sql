-- Purpose: whether there is a chain.
-- Relies on no index: it reads one row.
SELECT EXISTS (SELECT FROM links)
