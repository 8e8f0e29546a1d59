-- Purpose: write down that somebody takes a whole book in the clear.
-- $1 uuid: read id; $2 text: book; $3 text: purpose; $4 text: actor kind; $5 text: actor id; $6 timestamptz: recorded at
-- Relies on the primary key of book_reads.
INSERT INTO book_reads (read_id, book, purpose, actor_kind, actor_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6)
