-- Data keys of persons, in a schema of their own so that they can be left out of data backups.
-- A key has an id of its own, and every Case names the key it was sealed under: a person who was erased and applies again gets a new key,
-- which never meets what the destroyed one sealed.
-- No append-only trigger: a key is wrapped anew when the master key changes, and destroyed when a person is erased. The app may do neither.
CREATE SCHEMA sealed_keys;

CREATE TABLE sealed_keys.person_keys (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    key_id uuid NOT NULL,
    person_id bytea NOT NULL CHECK (octet_length(person_id) = 32),
    master_key_id text NOT NULL CHECK (char_length(master_key_id) BETWEEN 1 AND 64),
    wrapped_key bytea NOT NULL CHECK (octet_length(wrapped_key) = 61),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, key_id),
    UNIQUE (bucket, person_id)
);

GRANT USAGE ON SCHEMA sealed_keys TO instant_credit_app;
GRANT SELECT, INSERT ON sealed_keys.person_keys TO instant_credit_app;
