-- Purpose: add the last version of a draft together with the fact that it is completed, and the data key it is sealed under where that is new.
-- A unique violation means a lost race: against another version, or because the draft was completed or withdrawn before.
-- $1 smallint: bucket; $2 uuid: draft id; $3 smallint: number; $4 text: product; $5 text: client id; $6 boolean: is a test;
-- $7 bytea: person id; $8 uuid: key id; $9 bytea: sealed body; $10 text: actor kind; $11 text: actor id; $12 timestamptz: recorded at;
-- $13 text: master key id of a new data key, or NULL; $14 bytea: wrapped new data key, or NULL
-- $15..$19 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of draft_versions and draft_events, on draft_events_ends_once and on person_keys (bucket, person_id): their
-- uniqueness decides races.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($15, $16, $17, $18, $19)
), inserted_key AS (
    INSERT INTO sealed_keys.person_keys (
        bucket, key_id, person_id, master_key_id, wrapped_key, recorded_at, actor_kind, actor_id
    )
    SELECT get_byte($7, 0), $8, $7, $13, $14, $12, $10, $11
    WHERE $13::text IS NOT NULL
), completed AS (
    INSERT INTO draft_events (bucket, draft_id, kind, complete_by, actor_kind, actor_id, recorded_at)
    VALUES ($1, $2, 'completed', NULL, $10, $11, $12)
)
INSERT INTO draft_versions (
    bucket, draft_id, number, product, client_id, is_test, person_id, key_id, sealed_body, actor_kind, actor_id, recorded_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
