-- Purpose: add events to recorded Cases; an event that is recorded already is left out. Returns how many are new.
-- $1 smallint[]: buckets; $2 uuid[]: case ids; $3 uuid[]: event ids; $4 text[]: kinds; $5 bigint[]: amounts in cents; $6 date[]: event days;
-- $7 date[]: days of knowledge; $8 text: actor kind; $9 text: actor id; $10 timestamptz: recorded at
-- Relies on the primary keys of repayment_events and cases.
WITH inserted AS (
    INSERT INTO repayment_events (
        bucket, case_id, event_id, kind, amount_cents, event_on, known_on, actor_kind, actor_id, recorded_at
    )
    SELECT row.bucket, row.case_id, row.event_id, row.kind, row.amount_cents, row.event_on, row.known_on, $8, $9, $10
    FROM unnest($1::smallint[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::date[], $7::date[])
        AS row (bucket, case_id, event_id, kind, amount_cents, event_on, known_on)
    ON CONFLICT (bucket, case_id, event_id) DO NOTHING
    RETURNING event_id
)
SELECT count(*) FROM inserted
