-- Products, policies, models, references and release manifests by content hash; never people, so never sealed.
CREATE TABLE instant_credit.documents (
    content_hash text PRIMARY KEY CHECK (char_length(content_hash) = 64),
    kind text NOT NULL CHECK (char_length(kind) BETWEEN 1 AND 64),
    body bytea NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL
);

CREATE TRIGGER documents_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.documents
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.documents TO instant_credit_app;
GRANT SELECT ON instant_credit.documents TO instant_credit_reader;
