-- Purpose: every approval of a waiver as it is stored, as a leaf covers it.
-- Reads the whole of gate_waiver_approvals.
SELECT
    waiver_id,
    actor_kind,
    actor_id,
    recorded_at,
    client_id
FROM gate_waiver_approvals
