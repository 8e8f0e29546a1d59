-- An API key and the one that takes its place: the former one ends at ends_at, or earlier when it expires by itself.
-- A key is rotated once, and a successor succeeds one key: rotations are a line.
CREATE TABLE instant_credit.api_key_rotations (
    key_id text PRIMARY KEY REFERENCES instant_credit.api_keys (key_id),
    successor_key_id text NOT NULL UNIQUE REFERENCES instant_credit.api_keys (key_id) CHECK (successor_key_id <> key_id),
    ends_at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    CHECK (ends_at >= recorded_at)
);

CREATE TRIGGER api_key_rotations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.api_key_rotations
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.api_key_rotations TO instant_credit_app;
