-- Purpose: give a plan its number, with its link. A unique violation means that another plan took the number, or that it has one.
-- $1 integer: experiment; $2 text: plan hash; $3 text: product; $4 text: name; $5 text: client id or NULL; $6 text: actor kind;
-- $7 text: actor id; $8 timestamptz: recorded at
-- $9..$13 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of experiments and its unique plan_hash and (product, name), and on the primary key of documents.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($9, $10, $11, $12, $13)
)
INSERT INTO experiments (experiment, plan_hash, product, name, client_id, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
