-- Purpose: the product documents that a book's Cases were recorded under, the one recorded last first.
-- $1 text: book
-- Reads the whole of cases.
SELECT found.product, found.product_hash
FROM (SELECT DISTINCT cases.product, cases.product_hash FROM cases WHERE cases.book = $1) AS found
JOIN documents ON documents.content_hash = found.product_hash
ORDER BY documents.recorded_at DESC, found.product_hash COLLATE "C"
