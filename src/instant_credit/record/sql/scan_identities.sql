-- Purpose: every identity as it is stored, as a leaf covers it.
-- Reads the whole of identities.
SELECT
    bucket,
    case_id,
    person_id,
    sealed_identity,
    recorded_at,
    actor_kind,
    actor_id
FROM identities
