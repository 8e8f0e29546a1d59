-- Purpose: hold a person's data back from erasure. Nothing is written where there is no key to destroy.
-- $1 smallint: bucket; $2 uuid: hold id; $3 bytea: person id; $4 text: reason; $5 text: actor kind; $6 text: actor id;
-- $7 timestamptz: recorded at
-- Relies on person_keys (bucket, person_id).
INSERT INTO person_holds (bucket, hold_id, person_id, reason, actor_kind, actor_id, recorded_at)
SELECT $1, $2, $3, $4, $5, $6, $7
WHERE EXISTS (
    SELECT FROM sealed_keys.person_keys WHERE person_keys.bucket = $1 AND person_keys.person_id = $3
)
RETURNING hold_id
