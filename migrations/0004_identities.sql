-- Who applied, sealed, apart from the Case.
CREATE TABLE instant_credit.identities (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    case_id uuid NOT NULL,
    person_id bytea NOT NULL CHECK (octet_length(person_id) = 32),
    sealed_identity bytea NOT NULL CHECK (octet_length(sealed_identity) >= 29),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, case_id),
    FOREIGN KEY (bucket, case_id) REFERENCES instant_credit.cases (bucket, case_id)
);

CREATE TRIGGER identities_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.identities
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.identities TO instant_credit_app;
