-- Purpose: every hold on a person as it is stored, as a leaf covers it.
-- Reads the whole of person_holds.
SELECT
    bucket,
    hold_id,
    person_id,
    reason,
    actor_kind,
    actor_id,
    recorded_at
FROM person_holds
