-- Purpose: hold a person's data back from erasure, with the link. Nothing is written where there is no key to destroy.
-- $1 smallint: bucket; $2 uuid: hold id; $3 bytea: person id; $4 text: reason; $5 text: actor kind; $6 text: actor id;
-- $7 timestamptz: recorded at
-- $8..$12 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on person_keys (bucket, person_id).
WITH inserted AS (
    INSERT INTO person_holds (bucket, hold_id, person_id, reason, actor_kind, actor_id, recorded_at)
    SELECT $1, $2, $3, $4, $5, $6, $7
    WHERE EXISTS (
        SELECT FROM sealed_keys.person_keys WHERE person_keys.bucket = $1 AND person_keys.person_id = $3
    )
    RETURNING hold_id
), appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    SELECT $8, $9, $10, $11, $12
    FROM inserted
)
SELECT inserted.hold_id FROM inserted
