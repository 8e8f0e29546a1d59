-- Purpose: every activation as it is stored, as a leaf covers it.
-- Reads the whole of release_activations.
SELECT
    activation,
    product,
    release_hash,
    actor_kind,
    actor_id,
    recorded_at
FROM release_activations
