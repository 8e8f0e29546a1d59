-- Purpose: every Decision as it is stored, as a leaf covers it; the commitment, which the leaf names by itself, comes third.
-- Reads the whole of decisions.
SELECT
    bucket,
    decision_id,
    commitment,
    case_id,
    release_hash,
    client_id,
    outcome,
    sealed_decision,
    sealed_answer,
    stage_ns::text,
    recorded_at,
    actor_kind,
    actor_id,
    writer_id,
    link_seq
FROM decisions
