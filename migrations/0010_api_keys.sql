-- API keys: the hash of the secret only.
CREATE TABLE instant_credit.api_keys (
    key_id text PRIMARY KEY CHECK (char_length(key_id) = 16),
    client_id text NOT NULL CHECK (char_length(client_id) BETWEEN 1 AND 64),
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) >= 1),
    expires_at timestamptz,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL
);

CREATE TRIGGER api_keys_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.api_keys TO instant_credit_app;
