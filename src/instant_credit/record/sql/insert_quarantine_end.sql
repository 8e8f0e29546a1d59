-- Purpose: write down what became of a line in quarantine. A unique violation means that this is known already.
-- $1 smallint: bucket; $2 uuid: quarantine id; $3 text: kind; $4 text: actor kind; $5 text: actor id; $6 timestamptz: recorded at
-- $7..$11 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of quarantine_ends, which decides races.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($7, $8, $9, $10, $11)
)
INSERT INTO quarantine_ends (bucket, quarantine_id, kind, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6)
