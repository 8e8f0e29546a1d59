-- Purpose: every waiver of a gate as it is stored, as a leaf covers it.
-- Reads the whole of gate_waivers.
SELECT
    waiver_id,
    report_hash,
    gate,
    reason,
    until_on,
    actor_kind,
    actor_id,
    recorded_at,
    client_id
FROM gate_waivers
