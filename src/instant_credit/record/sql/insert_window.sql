-- Purpose: write down a judged window and what it did to alerts, with their link. A unique violation means that it was judged already.
-- $1 text: book; $2 text: product; $3 date: last day; $4 date: first day; $5 text: hash of the rules; $6 text: release hash;
-- $7 text: reference hash; $8 bigint: cases; $9 bytea: report; $10 text: actor kind; $11 text: actor id; $12 timestamptz: recorded at
-- $13..$19 alerts: rule text[], subject text[], kind text[], metric text[], value float8[], owner text[], runbook text[]
-- $20..$24 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of monitoring_windows, alert_events and links.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($20, $21, $22, $23, $24)
), inserted_events AS (
    INSERT INTO alert_events (
        book, product, last_on, rule, subject, kind, metric, value, owner, runbook, actor_kind, actor_id, recorded_at
    )
    SELECT
        $1::text, $2::text, $3::date, row.rule, row.subject, row.kind, row.metric, row.value, row.owner, row.runbook, $10::text, $11::text,
        $12::timestamptz
    FROM unnest($13::text[], $14::text[], $15::text[], $16::text[], $17::float8[], $18::text[], $19::text[])
        AS row (rule, subject, kind, metric, value, owner, runbook)
)
INSERT INTO monitoring_windows (
    book, product, last_on, first_on, rules_hash, release_hash, reference_hash, cases, report, actor_kind, actor_id, recorded_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
