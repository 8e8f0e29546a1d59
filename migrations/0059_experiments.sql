-- What was planned: an experiment is one plan document, locked by its hash, under the next number. The number stands for it in exposures, of which
-- there are many.
CREATE TABLE instant_credit.experiments (
    experiment integer PRIMARY KEY CHECK (experiment BETWEEN 1 AND 1000000),
    plan_hash text NOT NULL UNIQUE REFERENCES instant_credit.documents (content_hash),
    product text NOT NULL CHECK (char_length(product) BETWEEN 1 AND 64),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64),
    client_id text CHECK (char_length(client_id) BETWEEN 1 AND 64),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    UNIQUE (product, name)
);

CREATE TRIGGER experiments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.experiments
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.experiments TO instant_credit_app;
GRANT SELECT ON instant_credit.experiments TO instant_credit_reader;
