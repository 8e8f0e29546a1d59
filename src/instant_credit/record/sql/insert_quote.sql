-- Purpose: write down a quote, with its link.
-- $1 smallint: bucket; $2 uuid: quote id; $3 text: client id; $4 boolean: is a test; $5 text: product; $6 text: release hash;
-- $7 text: indication; $8 text: currency or NULL; $9 bigint: amount in cents or NULL; $10 smallint: term in months or NULL;
-- $11 integer: price in ppm or NULL; $12 bigint: instalment in cents or NULL; $13 text: actor kind; $14 text: actor id;
-- $15 timestamptz: recorded at
-- $16..$20 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of quotes and links.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($16, $17, $18, $19, $20)
)
INSERT INTO quotes (
    bucket, quote_id, client_id, is_test, product, release_hash, indication, currency, amount_cents, term_months, apr_ppm,
    instalment_cents, actor_kind, actor_id, recorded_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
