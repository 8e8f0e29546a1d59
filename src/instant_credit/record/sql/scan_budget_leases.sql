-- Purpose: every row of budget_leases as it is stored, as a leaf covers it.
-- Reads the whole of budget_leases.
SELECT
    key,
    number,
    cents,
    leased_cents,
    cap_cents,
    holder_id,
    actor_kind,
    actor_id,
    recorded_at
FROM budget_leases
