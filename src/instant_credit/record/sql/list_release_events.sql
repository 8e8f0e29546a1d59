-- Purpose: the events of one product's releases, or of all products', in order; activations from before there were events come first, with
-- numbers up to 0.
-- $1 text: product or NULL
-- Relies on the primary key of release_events and on release_activations_by_product.
SELECT
    product, number, kind, release_hash, stage, active_at, former_hash, owner, tier, review_on, expires_on, allowed_use, reason,
    is_single_person, client_id, actor_kind, actor_id, recorded_at
FROM release_events
WHERE $1::text IS NULL OR product = $1
UNION ALL
SELECT
    product,
    (row_number() OVER (PARTITION BY product ORDER BY activation) - count(*) OVER (PARTITION BY product))::integer,
    'activated', release_hash, NULL, recorded_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, FALSE, NULL, actor_kind, actor_id, recorded_at
FROM release_activations
WHERE $1::text IS NULL OR product = $1
ORDER BY product, number
