-- The latest activation of a product is its live release.
CREATE TABLE instant_credit.release_activations (
    activation bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product text NOT NULL CHECK (char_length(product) BETWEEN 1 AND 64),
    release_hash text NOT NULL REFERENCES instant_credit.documents (content_hash),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL
);

CREATE INDEX release_activations_by_product ON instant_credit.release_activations (product, activation);

CREATE TRIGGER release_activations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.release_activations
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.release_activations TO instant_credit_app;
GRANT SELECT ON instant_credit.release_activations TO instant_credit_reader;
