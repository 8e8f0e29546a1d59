-- Purpose: the next decided Cases of a book within a span of ids, in order of their keys.
-- $1 text: book; $2 smallint: bucket and $3 uuid: case id after which to go on; $4 bigint: most rows; $5 uuid: least id and $6 uuid: the id before
--   which the span ends
-- Relies on cases_by_book and the primary keys of decisions and person_keys; $5 and $6 choose the partitions.
SELECT
    cases.bucket,
    cases.case_id,
    cases.person_id,
    cases.key_id,
    cases.natural_key,
    cases.product,
    cases.product_hash,
    cases.as_of,
    cases.sealed_case,
    cases.sampling_weight,
    decisions.decision_id,
    decisions.release_hash,
    decisions.sealed_decision,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM cases
INNER JOIN decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE cases.book = $1 AND (cases.bucket, cases.case_id) > ($2, $3)
    AND cases.case_id >= $5 AND cases.case_id < $6 AND decisions.case_id >= $5 AND decisions.case_id < $6
ORDER BY cases.bucket, cases.case_id
LIMIT $4
