-- Purpose: who read data of a person, oldest first; a read of a whole book counts from the person's first Case in it.
-- $1 smallint: bucket; $2 bytea: person id
-- Relies on personal_data_reads_by_person, cases_by_person and book_reads_by_book.
SELECT
    personal_data_reads.read_id,
    personal_data_reads.kind,
    personal_data_reads.purpose,
    personal_data_reads.case_id,
    NULL AS book,
    personal_data_reads.actor_kind,
    personal_data_reads.actor_id,
    personal_data_reads.recorded_at
FROM personal_data_reads
WHERE personal_data_reads.bucket = $1 AND personal_data_reads.person_id = $2
UNION ALL
SELECT
    book_reads.read_id,
    'book' AS kind,
    book_reads.purpose,
    NULL::uuid AS case_id,
    book_reads.book,
    book_reads.actor_kind,
    book_reads.actor_id,
    book_reads.recorded_at
FROM (
    SELECT cases.book, min(cases.recorded_at) AS first_at FROM cases
    WHERE cases.bucket = $1 AND cases.person_id = $2
    GROUP BY cases.book
) AS own
INNER JOIN book_reads ON book_reads.book = own.book AND book_reads.recorded_at >= own.first_at
ORDER BY recorded_at, read_id
