-- Told events that were not taken, each with the reason and sealed as it came, and what became of it later. It names nobody: a line about
-- a known application is sealed under its person's data key, any other one under a key drawn by chance; person_id says whose key it is,
-- and its first byte the bucket in which the key lies. The bucket of a line is the first byte of its keyed hash, by which the same line is known again.
CREATE TABLE instant_credit.quarantined_outcomes (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    quarantine_id uuid NOT NULL,
    line_mac bytea NOT NULL CHECK (octet_length(line_mac) = 32),
    person_id bytea NOT NULL CHECK (octet_length(person_id) = 32),
    key_id uuid NOT NULL,
    case_id uuid,
    source text NOT NULL CHECK (source IN ('api', 'file')),
    format text NOT NULL CHECK (format IN ('json', 'csv', 'metro2')),
    book text CHECK (char_length(book) BETWEEN 1 AND 64),
    line bigint NOT NULL CHECK (line >= 1),
    code text NOT NULL CHECK (code ~ '^[A-Z0-9_]{1,64}$'),
    message text NOT NULL CHECK (char_length(message) BETWEEN 1 AND 600),
    is_test boolean NOT NULL,
    sealed_line bytea NOT NULL CHECK (octet_length(sealed_line) BETWEEN 29 AND 20000),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, quarantine_id)
);

CREATE UNIQUE INDEX quarantined_outcomes_by_line ON instant_credit.quarantined_outcomes (bucket, line_mac);
CREATE INDEX quarantined_outcomes_by_person ON instant_credit.quarantined_outcomes (person_id);
CREATE INDEX quarantined_outcomes_by_id ON instant_credit.quarantined_outcomes (quarantine_id);

CREATE TABLE instant_credit.quarantine_ends (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    quarantine_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('recorded', 'dismissed')),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, quarantine_id),
    FOREIGN KEY (bucket, quarantine_id) REFERENCES instant_credit.quarantined_outcomes (bucket, quarantine_id)
);

CREATE TRIGGER quarantined_outcomes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.quarantined_outcomes
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();
CREATE TRIGGER quarantine_ends_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.quarantine_ends
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();
CREATE TRIGGER quarantined_outcomes_person_key AFTER INSERT ON instant_credit.quarantined_outcomes
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.require_person_key();

GRANT SELECT, INSERT ON instant_credit.quarantined_outcomes, instant_credit.quarantine_ends TO instant_credit_app;
GRANT SELECT ON instant_credit.quarantined_outcomes, instant_credit.quarantine_ends TO instant_credit_reader;
