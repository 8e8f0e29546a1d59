-- Purpose: every quote as it is stored, as a leaf covers it.
-- Reads the whole of quotes.
SELECT
    bucket,
    quote_id,
    client_id,
    is_test,
    product,
    release_hash,
    indication,
    currency,
    amount_cents,
    term_months,
    apr_ppm,
    instalment_cents,
    actor_kind,
    actor_id,
    recorded_at
FROM quotes
