-- Purpose: every read of a book as it is stored, as a leaf covers it.
-- Reads the whole of book_reads.
SELECT
    read_id,
    book,
    purpose,
    actor_kind,
    actor_id,
    recorded_at
FROM book_reads
