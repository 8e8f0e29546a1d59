-- Purpose: make a release live for a product, with its link.
-- $1 bigint: number out of draw_activation; $2 text: product; $3 text: release hash; $4 text: actor kind; $5 text: actor id;
-- $6 timestamptz: recorded at
-- $7..$11 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of links and documents, which the release hash refers to.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($7, $8, $9, $10, $11)
)
INSERT INTO release_activations (activation, product, release_hash, actor_kind, actor_id, recorded_at)
OVERRIDING SYSTEM VALUE
VALUES ($1, $2, $3, $4, $5, $6)
