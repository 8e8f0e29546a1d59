-- Purpose: every event of releases as it is stored, as a leaf covers it.
-- Reads the whole of release_events.
SELECT
    product,
    number,
    kind,
    release_hash,
    stage,
    active_at,
    former_hash,
    owner,
    tier,
    review_on,
    expires_on,
    allowed_use,
    reason,
    is_single_person,
    client_id,
    actor_kind,
    actor_id,
    recorded_at
FROM release_events
