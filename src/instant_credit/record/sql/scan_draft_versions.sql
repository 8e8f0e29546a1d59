-- Purpose: every version of a draft as it is stored, as a leaf covers it.
-- Reads the whole of draft_versions.
SELECT
    bucket,
    draft_id,
    number,
    product,
    client_id,
    is_test,
    person_id,
    key_id,
    sealed_body,
    actor_kind,
    actor_id,
    recorded_at
FROM draft_versions
