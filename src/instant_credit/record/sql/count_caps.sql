-- Purpose: how many caps documents there are.
-- Relies on documents_by_caps.
SELECT count(*) AS found FROM documents WHERE kind = 'caps'
