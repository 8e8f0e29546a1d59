-- Triggers: documents that say when a job is asked for. The latest event of a name says whether the trigger stands, and which document it is.
CREATE TABLE instant_credit.trigger_events (
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 63),
    number integer NOT NULL CHECK (number BETWEEN 1 AND 100000),
    kind text NOT NULL CHECK (kind IN ('put', 'stopped')),
    document_hash text REFERENCES instant_credit.documents (content_hash),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (name, number),
    CHECK ((kind = 'put') = (document_hash IS NOT NULL))
);

CREATE TRIGGER trigger_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.trigger_events
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.trigger_events TO instant_credit_app;
GRANT SELECT ON instant_credit.trigger_events TO instant_credit_reader;
