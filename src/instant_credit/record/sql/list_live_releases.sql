-- Purpose: the live release of every product.
-- Relies on release_activations_by_product.
SELECT DISTINCT ON (product) product, release_hash
FROM release_activations
ORDER BY product, activation DESC
