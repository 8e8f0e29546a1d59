-- Purpose: every Case as it is stored, as a leaf covers it.
-- Reads the whole of cases.
SELECT
    bucket,
    case_id,
    person_id,
    key_id,
    book,
    product,
    product_hash,
    as_of,
    natural_key,
    sealed_case,
    sealed_monitoring,
    sampling_weight,
    recorded_at,
    actor_kind,
    actor_id
FROM cases
