-- Purpose: make a release live for a product.
-- $1 text: product; $2 text: release hash; $3 text: actor kind; $4 text: actor id; $5 timestamptz: recorded at
-- Relies on the primary key of documents, which the release hash refers to.
INSERT INTO release_activations (product, release_hash, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5)
