-- The end of an API key, for good.
CREATE TABLE instant_credit.api_key_revocations (
    key_id text PRIMARY KEY REFERENCES instant_credit.api_keys (key_id),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL
);

CREATE TRIGGER api_key_revocations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.api_key_revocations
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.api_key_revocations TO instant_credit_app;
