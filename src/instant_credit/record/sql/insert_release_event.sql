-- Purpose: add the next event of a product's releases, with its link. A unique violation means that another one came first.
-- $1 text: product; $2 integer: number; $3 text: kind; $4 text: release hash; $5 text: stage or NULL; $6 timestamptz: active at or NULL;
-- $7 text: former hash or NULL; $8 text: owner or NULL; $9 text: tier or NULL; $10 date: review on or NULL; $11 date: expires on or NULL;
-- $12 text: allowed use or NULL; $13 text: reason or NULL; $14 boolean: is of a single person; $15 text: client id or NULL;
-- $16 text: actor kind; $17 text: actor id; $18 timestamptz: recorded at
-- $19..$23 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of release_events, whose uniqueness decides races, and on that of documents, which the hashes refer to.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($19, $20, $21, $22, $23)
)
INSERT INTO release_events (
    product, number, kind, release_hash, stage, active_at, former_hash, owner, tier, review_on, expires_on, allowed_use, reason,
    is_single_person, client_id, actor_kind, actor_id, recorded_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
