-- Purpose: end a hold; one that has ended stays so.
-- $1 smallint: bucket; $2 uuid: hold id; $3 text: reason; $4 text: actor kind; $5 text: actor id; $6 timestamptz: recorded at
-- Relies on the primary keys of person_hold_releases and person_holds.
INSERT INTO person_hold_releases (bucket, hold_id, reason, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (bucket, hold_id) DO NOTHING
