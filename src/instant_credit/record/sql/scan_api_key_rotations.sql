-- Purpose: every rotation of an API key as it is stored, as a leaf covers it.
-- Reads the whole of api_key_rotations.
SELECT
    key_id,
    successor_key_id,
    ends_at,
    actor_kind,
    actor_id,
    recorded_at
FROM api_key_rotations
