-- Purpose: every shadow decision as it is stored, as a leaf covers it.
-- Reads the whole of shadow_decisions.
SELECT
    bucket,
    case_id,
    release_hash,
    outcome,
    sealed_decision,
    actor_kind,
    actor_id,
    recorded_at
FROM shadow_decisions
