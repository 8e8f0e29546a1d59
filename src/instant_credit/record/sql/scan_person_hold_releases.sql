-- Purpose: every end of a hold as it is stored, as a leaf covers it.
-- Reads the whole of person_hold_releases.
SELECT
    bucket,
    hold_id,
    reason,
    actor_kind,
    actor_id,
    recorded_at
FROM person_hold_releases
