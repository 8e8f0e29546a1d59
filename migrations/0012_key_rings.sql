-- The fingerprint of the key ring that this record was made with: one row, written by whoever opens the record first.
-- It is a keyed hash under the ring's own keys, so it tells nothing about them.
CREATE TABLE instant_credit.key_rings (
    ring smallint PRIMARY KEY CHECK (ring = 1),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL
);

CREATE TRIGGER key_rings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.key_rings
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.key_rings TO instant_credit_app;
