-- Purpose: add events to recorded Cases, with their link. A unique violation means that an event or its number is recorded already.
-- $1..$7 events: bucket smallint[], case_id uuid[], event_id uuid[], kind text[], amount_cents bigint[], event_on date[], known_on date[]
-- $8 timestamptz: recorded at; $9 text: actor kind; $10 text: actor id
-- $11..$13 events: days_past_due integer[], corrects uuid[], number integer[]
-- $14..$18 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of repayment_events, cases and links, and on repayment_events_by_number: their uniqueness decides races.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($14, $15, $16, $17, $18)
)
INSERT INTO repayment_events (
    bucket, case_id, event_id, kind, amount_cents, event_on, known_on, recorded_at, actor_kind, actor_id, days_past_due, corrects, number
)
SELECT
    row.bucket, row.case_id, row.event_id, row.kind, row.amount_cents, row.event_on, row.known_on, $8, $9, $10, row.days_past_due,
    row.corrects, row.number
FROM unnest(
    $1::smallint[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::date[], $7::date[], $11::integer[], $12::uuid[], $13::integer[]
) AS row (bucket, case_id, event_id, kind, amount_cents, event_on, known_on, days_past_due, corrects, number)
