-- Purpose: what became of lines in quarantine, as a leaf covers it.
-- Reads the whole of quarantine_ends.
SELECT
    bucket,
    quarantine_id,
    kind,
    actor_kind,
    actor_id,
    recorded_at
FROM quarantine_ends
