-- Purpose: per entry, in order, the person's present data key and what stands already for its idempotency key,
--   its natural key or its Case.
-- $1 smallint[]: buckets; $2 bytea[]: person ids; $3 uuid[]: case ids; $4 text[]: client ids or NULL; $5 text[]: idempotency keys or NULL;
-- $6 text[]: books; $7 text[]: natural keys or NULL
-- Relies on the primary keys of person_keys, idempotency_keys, cases and decisions, on cases_by_natural_key, person_keys (bucket, person_id)
--   and decisions (bucket, case_id).
SELECT
    own_key.person_id,
    own_key.key_id,
    own_key.master_key_id,
    own_key.wrapped_key,
    standing.case_id AS standing_case_id,
    standing.person_id AS standing_person_id,
    standing.key_id AS standing_key_id,
    standing.recorded_at AS standing_recorded_at,
    answered.decision_id AS standing_decision_id,
    answered.sealed_answer AS standing_sealed_answer,
    first_key.body_mac AS standing_body_mac,
    standing_key.master_key_id AS standing_master_key_id,
    standing_key.wrapped_key AS standing_wrapped_key
FROM unnest($1::smallint[], $2::bytea[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[])
    WITH ORDINALITY AS entry (bucket, person_id, case_id, client_id, idempotency_key, book, natural_key, place)
LEFT JOIN sealed_keys.person_keys AS own_key
    ON own_key.bucket = entry.bucket AND own_key.person_id = entry.person_id
LEFT JOIN idempotency_keys AS first_key
    ON first_key.client_id = entry.client_id AND first_key.idempotency_key = entry.idempotency_key
LEFT JOIN decisions AS first_decision
    ON first_decision.bucket = first_key.bucket AND first_decision.decision_id = first_key.decision_id
LEFT JOIN cases AS same_row
    ON same_row.bucket = entry.bucket AND same_row.book = entry.book AND same_row.natural_key = entry.natural_key
LEFT JOIN cases AS standing
    ON standing.bucket = coalesce(first_decision.bucket, entry.bucket)
    AND standing.case_id = coalesce(first_decision.case_id, same_row.case_id, entry.case_id)
LEFT JOIN decisions AS answered
    ON answered.bucket = standing.bucket AND answered.case_id = standing.case_id
LEFT JOIN sealed_keys.person_keys AS standing_key
    ON standing_key.bucket = standing.bucket AND standing_key.key_id = standing.key_id
ORDER BY entry.place
