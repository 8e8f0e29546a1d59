-- Windows as monitoring judged them, once each: every measurement, and where each rule stood with each subject afterwards.
CREATE TABLE instant_credit.monitoring_windows (
    book text NOT NULL CHECK (char_length(book) BETWEEN 1 AND 64),
    product text NOT NULL CHECK (char_length(product) BETWEEN 1 AND 64),
    last_on date NOT NULL,
    first_on date NOT NULL,
    rules_hash text NOT NULL CHECK (char_length(rules_hash) = 64),
    release_hash text NOT NULL CHECK (char_length(release_hash) = 64),
    reference_hash text NOT NULL CHECK (char_length(reference_hash) = 64),
    cases bigint NOT NULL CHECK (cases >= 0),
    report bytea NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (book, product, last_on),
    CHECK (first_on <= last_on)
);

CREATE TRIGGER monitoring_windows_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.monitoring_windows
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.monitoring_windows TO instant_credit_app;
GRANT SELECT ON instant_credit.monitoring_windows TO instant_credit_reader;
