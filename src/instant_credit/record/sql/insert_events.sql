-- Purpose: add events to recorded Cases, with their link. A unique violation means that one is recorded already.
-- $1..$10 events: bucket smallint[], case_id uuid[], event_id uuid[], kind text[], amount_cents bigint[], event_on date[], known_on date[],
--   recorded_at timestamptz[], actor_kind text[], actor_id text[]
-- $11..$15 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of repayment_events, cases and links.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($11, $12, $13, $14, $15)
)
INSERT INTO repayment_events (
    bucket, case_id, event_id, kind, amount_cents, event_on, known_on, recorded_at, actor_kind, actor_id
)
SELECT
    row.bucket, row.case_id, row.event_id, row.kind, row.amount_cents, row.event_on, row.known_on, row.recorded_at, row.actor_kind,
    row.actor_id
FROM unnest(
    $1::smallint[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::date[], $7::date[], $8::timestamptz[], $9::text[], $10::text[]
) AS row (bucket, case_id, event_id, kind, amount_cents, event_on, known_on, recorded_at, actor_kind, actor_id)
