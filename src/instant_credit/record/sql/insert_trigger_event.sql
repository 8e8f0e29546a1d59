-- Purpose: put or stop a trigger, with its link. A unique violation means that somebody else wrote this number.
-- $1 text: name; $2 integer: number; $3 text: kind; $4 text: hash of its document, or NULL; $5 text: actor kind; $6 text: actor id;
-- $7 timestamptz: recorded at
-- $8..$12 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of trigger_events.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($8, $9, $10, $11, $12)
)
INSERT INTO trigger_events (name, number, kind, document_hash, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
