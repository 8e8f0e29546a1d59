-- Purpose: per entry, in order, the person's present data key, and the ids of what stands already for its idempotency key,
--   its natural key or its number among the person's applications.
-- $1 smallint[]: buckets; $2 bytea[]: person ids; $3 text[]: client ids or NULL; $4 text[]: idempotency keys or NULL;
-- $5 text[]: books; $6 text[]: natural keys or NULL; $7 integer[]: numbers among the person's applications, or NULL
-- Relies on the primary keys of idempotency_keys, natural_keys and person_applications and on person_keys (bucket, person_id). It names no
--   table in partitions, so it is planned once.
SELECT
    own_key.person_id,
    own_key.key_id,
    own_key.master_key_id,
    own_key.wrapped_key,
    first_key.bucket AS first_bucket,
    first_key.decision_id AS first_decision_id,
    first_key.body_mac AS standing_body_mac,
    same_row.case_id AS row_case_id,
    same_number.case_id AS number_case_id
FROM unnest($1::smallint[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[])
    WITH ORDINALITY AS entry (bucket, person_id, client_id, idempotency_key, book, natural_key, number, place)
LEFT JOIN sealed_keys.person_keys AS own_key
    ON own_key.bucket = entry.bucket AND own_key.person_id = entry.person_id
LEFT JOIN idempotency_keys AS first_key
    ON first_key.client_id = entry.client_id AND first_key.idempotency_key = entry.idempotency_key
LEFT JOIN natural_keys AS same_row
    ON same_row.bucket = entry.bucket AND same_row.book = entry.book AND same_row.natural_key = entry.natural_key
LEFT JOIN person_applications AS same_number
    ON same_number.bucket = entry.bucket AND same_number.person_id = entry.person_id AND same_number.book = entry.book
    AND same_number.number = entry.number
ORDER BY entry.place
