-- Purpose: write down a lease, or one that comes back, with its link, where it follows from the last row of its budget; its number. No row: it does
-- not follow any more. A unique violation means that another one came first.
-- $1 text: key; $2 integer: number; $3 bigint: cents; $4 bigint: cents out after it; $5 bigint: cap in cents; $6 uuid: holder;
-- $7 text: actor kind; $8 text: actor id; $9 timestamptz: recorded at
-- $10..$14 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of budget_leases, which finds the last row and whose uniqueness decides races.
WITH last AS (
    SELECT
        number,
        leased_cents
    FROM budget_leases
    WHERE key = $1
    ORDER BY number DESC
    LIMIT 1
),

added AS (
    INSERT INTO budget_leases (key, number, cents, leased_cents, cap_cents, holder_id, actor_kind, actor_id, recorded_at)
    SELECT
        $1,
        $2,
        $3,
        $4,
        $5,
        $6,
        $7,
        $8,
        $9
    FROM (SELECT 1) AS one
    LEFT JOIN last ON TRUE
    WHERE $2 = coalesce(last.number, 0) + 1 AND $4 = coalesce(last.leased_cents, 0) + $3 AND ($3 < 0 OR $4 <= $5)
    RETURNING number
),

appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    SELECT
        $10,
        $11,
        $12,
        $13,
        $14
    FROM added
)

SELECT number FROM added
