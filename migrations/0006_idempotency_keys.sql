-- Keyed by who asked, not by person: a retry is recognised before the person is known.
-- No foreign key to decisions: it would tie a client's row to a person's bucket. The statement that writes a key writes its Decision too.
CREATE TABLE instant_credit.idempotency_keys (
    client_id text NOT NULL CHECK (char_length(client_id) BETWEEN 1 AND 64),
    idempotency_key text NOT NULL CHECK (char_length(idempotency_key) BETWEEN 1 AND 255),
    body_mac bytea NOT NULL CHECK (octet_length(body_mac) = 32),
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    decision_id uuid NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, idempotency_key)
);

CREATE TRIGGER idempotency_keys_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.idempotency_keys
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.idempotency_keys TO instant_credit_app;
