-- Purpose: all activations, oldest first.
SELECT product, release_hash, actor_kind, actor_id, recorded_at
FROM release_activations
ORDER BY activation
