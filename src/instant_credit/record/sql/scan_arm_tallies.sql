-- Purpose: every row of arm_tallies as it is stored, as a leaf covers it.
-- Reads the whole of arm_tallies.
SELECT
    experiment,
    arm,
    holder_id,
    number,
    applications,
    failed,
    timed,
    slow,
    actor_kind,
    actor_id,
    recorded_at
FROM arm_tallies
