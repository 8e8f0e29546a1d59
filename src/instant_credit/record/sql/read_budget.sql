-- Purpose: how much of a budget is out, and the number of the row that says so; no row: nothing was ever taken.
-- $1 text: key
-- Relies on the primary key of budget_leases.
SELECT
    number,
    leased_cents
FROM budget_leases
WHERE key = $1
ORDER BY number DESC
LIMIT 1
