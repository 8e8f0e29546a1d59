-- Purpose: write down the sketch of a day, with its link. A unique violation means that this revision is there already.
-- $1 text: book; $2 text: product; $3 text: release hash; $4 text: reference hash; $5 date: day; $6 integer: revision; $7 bigint: cases;
-- $8 bigint: erased; $9 bigint[]: counts of variables, one after the other; $10 bigint[]: of the score; $11 bigint[]: of outcomes;
-- $12 text[]: codes and $13 bigint[]: counts of first reasons; $14 bigint[]: Cases and $15 bigint[]: sums of pds by step of the grid;
-- $16 bigint[]: offers and $17 bigint[]: sums of their pds; $18 text: actor kind; $19 text: actor id; $20 timestamptz: recorded at
-- $21..$25 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of sketches and links.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($21, $22, $23, $24, $25)
)
INSERT INTO sketches (
    book, product, release_hash, reference_hash, day_on, revision, cases, erased, variable_counts, score_counts, outcome_counts, reason_codes,
    reason_counts, grid_counts, grid_pd_ppm_sums, offered_counts, offered_pd_ppm_sums, actor_kind, actor_id, recorded_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
