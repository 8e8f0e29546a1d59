-- Purpose: every erasure as it is stored, as a leaf covers it.
-- Reads the whole of person_erasures.
SELECT
    bucket,
    key_id,
    person_id,
    reason,
    actor_kind,
    actor_id,
    recorded_at
FROM person_erasures
