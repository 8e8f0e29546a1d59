-- Purpose: a quote.
-- $1 smallint: bucket; $2 uuid: quote id
-- Relies on the primary key of quotes.
SELECT
    quotes.quote_id, quotes.client_id, quotes.is_test, quotes.product, quotes.release_hash, quotes.indication, quotes.currency,
    quotes.amount_cents, quotes.term_months, quotes.apr_ppm, quotes.instalment_cents, quotes.recorded_at
FROM quotes
WHERE quotes.bucket = $1 AND quotes.quote_id = $2
