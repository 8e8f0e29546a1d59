-- A quote: terms that were told to somebody unnamed. It holds nothing of what was asked, so it belongs to nobody; its bucket is drawn by
-- chance. No Case, no Decision and no book knows of it.
CREATE TABLE instant_credit.quotes (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    quote_id uuid NOT NULL,
    client_id text NOT NULL CHECK (char_length(client_id) BETWEEN 1 AND 64),
    is_test boolean NOT NULL,
    product text NOT NULL CHECK (char_length(product) BETWEEN 1 AND 64),
    release_hash text NOT NULL CHECK (char_length(release_hash) = 64),
    indication text NOT NULL CHECK (indication IN ('terms', 'eligible', 'none')),
    currency text CHECK (char_length(currency) = 3),
    amount_cents bigint CHECK (amount_cents > 0),
    term_months smallint CHECK (term_months > 0),
    apr_ppm integer CHECK (apr_ppm >= 0),
    instalment_cents bigint CHECK (instalment_cents >= 0),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, quote_id),
    CHECK (num_nonnulls(currency, amount_cents, term_months, apr_ppm, instalment_cents) IN (0, 5)),
    CHECK ((indication = 'terms') = (amount_cents IS NOT NULL))
);

CREATE TRIGGER quotes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.quotes
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.quotes TO instant_credit_app;
