-- Purpose: waivers of a report, or the one with an id, oldest first, with their approvals where there are any.
-- $1 text: content hash of the report, or NULL; $2 uuid: waiver id, or NULL
-- Relies on gate_waivers_by_report and the primary keys of gate_waivers and gate_waiver_approvals.
SELECT
    gate_waivers.waiver_id,
    gate_waivers.report_hash,
    gate_waivers.gate,
    gate_waivers.reason,
    gate_waivers.until_on,
    gate_waivers.actor_kind,
    gate_waivers.actor_id,
    gate_waivers.client_id,
    gate_waivers.recorded_at,
    gate_waiver_approvals.actor_kind AS approver_kind,
    gate_waiver_approvals.actor_id AS approver_id,
    gate_waiver_approvals.client_id AS approver_client_id,
    gate_waiver_approvals.recorded_at AS approved_at
FROM gate_waivers
LEFT JOIN gate_waiver_approvals ON gate_waiver_approvals.waiver_id = gate_waivers.waiver_id
WHERE gate_waivers.report_hash = $1 OR gate_waivers.waiver_id = $2
ORDER BY gate_waivers.recorded_at, gate_waivers.waiver_id
