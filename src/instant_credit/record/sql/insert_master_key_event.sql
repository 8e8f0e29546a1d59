-- Purpose: write down that a master key became current, with the link; a second time changes nothing.
-- $1 text: master key id; $2 text: kind; $3 text: actor kind; $4 text: actor id; $5 timestamptz: recorded at
-- $6..$10 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of master_key_events and links.
WITH inserted AS (
    INSERT INTO instant_credit.master_key_events (master_key_id, kind, actor_kind, actor_id, recorded_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (master_key_id, kind) DO NOTHING
    RETURNING master_key_id
), appended AS (
    INSERT INTO instant_credit.links (writer_id, seq, link, leaves, recorded_at)
    SELECT $6, $7, $8, $9, $10
    FROM inserted
)
SELECT inserted.master_key_id FROM inserted
