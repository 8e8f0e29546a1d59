-- Purpose: replace wrapped data keys by the same ones wrapped anew, each only if it is as it was read; returns how many.
-- $1 smallint[]: buckets; $2 uuid[]: key ids; $3 bytea[]: wrapped keys as they were read; $4 bytea[]: wrapped keys; $5 text[]: ids of
--   the master keys that wrap them
-- Relies on the primary key of person_keys.
WITH rewrapped AS (
    UPDATE sealed_keys.person_keys
    SET master_key_id = row.master_key_id, wrapped_key = row.wrapped_key
    FROM unnest($1::smallint[], $2::uuid[], $3::bytea[], $4::bytea[], $5::text[])
        AS row (bucket, key_id, former_key, wrapped_key, master_key_id)
    WHERE person_keys.bucket = row.bucket
        AND person_keys.key_id = row.key_id
        AND person_keys.wrapped_key = row.former_key
    RETURNING person_keys.key_id
)
SELECT count(*) FROM rewrapped
