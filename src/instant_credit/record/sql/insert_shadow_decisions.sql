-- Purpose: record shadow decisions with their link. A unique violation means that another process recorded one of them meanwhile.
-- $1..$8 rows: bucket smallint[], case_id uuid[], release_hash text[], outcome text[], sealed_decision bytea[], actor_kind text[],
--   actor_id text[], recorded_at timestamptz[]
-- $9..$13 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of shadow_decisions and links. Rows come in the order of their key, so that two writers lock alike.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($9, $10, $11, $12, $13)
)
INSERT INTO shadow_decisions (
    bucket, case_id, release_hash, outcome, sealed_decision, actor_kind, actor_id, recorded_at
)
SELECT
    row.bucket, row.case_id, row.release_hash, row.outcome, row.sealed_decision, row.actor_kind, row.actor_id, row.recorded_at
FROM unnest(
    $1::smallint[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::timestamptz[]
) AS row (
    bucket, case_id, release_hash, outcome, sealed_decision, actor_kind, actor_id, recorded_at
)
