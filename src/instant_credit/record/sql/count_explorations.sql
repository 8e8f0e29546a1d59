-- Purpose: how many exploration programmes and ends of programmes there are.
-- Relies on documents_by_exploration.
SELECT count(*) AS found FROM documents WHERE kind IN ('exploration', 'exploration_end')
