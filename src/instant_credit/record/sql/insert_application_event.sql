-- Purpose: add the next event of an application, with its link. A unique violation means that another one came first.
-- $1 smallint: bucket; $2 uuid: case id; $3 smallint: number; $4 text: kind; $5 uuid: offer id or NULL; $6 text: actor kind;
-- $7 text: actor id; $8 timestamptz: recorded at
-- $9..$13 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of application_events: its uniqueness decides races.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($9, $10, $11, $12, $13)
)
INSERT INTO application_events (bucket, case_id, number, kind, offer_id, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
