-- Purpose: write down what happened to a draft; the first time counts. A unique violation means that it ended otherwise before.
-- $1 smallint: bucket; $2 uuid: draft id; $3 text: kind; $4 timestamptz: complete by, or NULL; $5 text: actor kind; $6 text: actor id;
-- $7 timestamptz: recorded at
-- $8..$12 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of draft_events and on draft_events_ends_once: their uniqueness decides races.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($8, $9, $10, $11, $12)
)
INSERT INTO draft_events (bucket, draft_id, kind, complete_by, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
