-- A Decision: canonical bytes sealed, and the first answer's bytes. A Case is decided once: new evidence is a new Case.
CREATE TABLE instant_credit.decisions (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    decision_id uuid NOT NULL,
    case_id uuid NOT NULL,
    release_hash text NOT NULL CHECK (char_length(release_hash) = 64),
    client_id text CHECK (char_length(client_id) BETWEEN 1 AND 64),
    outcome text NOT NULL CHECK (outcome IN ('approve', 'counter_offer', 'refer', 'decline')),
    sealed_decision bytea NOT NULL CHECK (octet_length(sealed_decision) >= 29),
    sealed_answer bytea CHECK (octet_length(sealed_answer) >= 29),
    stage_ns bigint[] NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, decision_id),
    UNIQUE (bucket, case_id),
    FOREIGN KEY (bucket, case_id) REFERENCES instant_credit.cases (bucket, case_id)
);

ALTER TABLE instant_credit.decisions
    ALTER COLUMN sealed_decision SET STORAGE EXTERNAL,
    ALTER COLUMN sealed_answer SET STORAGE EXTERNAL;

CREATE TRIGGER decisions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.decisions
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.decisions TO instant_credit_app;
GRANT SELECT ON instant_credit.decisions TO instant_credit_reader;
