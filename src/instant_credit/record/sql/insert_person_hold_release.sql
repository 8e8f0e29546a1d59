-- Purpose: end a hold, with the link; one that has ended stays so.
-- $1 smallint: bucket; $2 uuid: hold id; $3 text: reason; $4 text: actor kind; $5 text: actor id; $6 timestamptz: recorded at
-- $7..$11 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of person_hold_releases and person_holds.
WITH inserted AS (
    INSERT INTO person_hold_releases (bucket, hold_id, reason, actor_kind, actor_id, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (bucket, hold_id) DO NOTHING
    RETURNING hold_id
), appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    SELECT $7, $8, $9, $10, $11
    FROM inserted
)
SELECT inserted.hold_id FROM inserted
