-- Purpose: write down that somebody takes a whole book in the clear.
-- $1 uuid: read id; $2 text: book; $3 text: purpose; $4 text: actor kind; $5 text: actor id; $6 timestamptz: recorded at
-- $7..$11 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of book_reads.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($7, $8, $9, $10, $11)
)
INSERT INTO book_reads (read_id, book, purpose, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6)
