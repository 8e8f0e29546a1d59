-- A draft of an application: every version of it, sealed. The version with the highest number is the draft as it stands.
-- Until a person is known a draft is sealed under a data key of its own, whose owner's id is drawn by chance; from then on under the
-- person's. person_id names whose key it is, and its first byte the bucket in which the key lies.
CREATE TABLE instant_credit.draft_versions (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    draft_id uuid NOT NULL,
    number smallint NOT NULL CHECK (number BETWEEN 1 AND 1000),
    product text NOT NULL CHECK (char_length(product) BETWEEN 1 AND 64),
    client_id text NOT NULL CHECK (char_length(client_id) BETWEEN 1 AND 64),
    is_test boolean NOT NULL,
    person_id bytea NOT NULL CHECK (octet_length(person_id) = 32),
    key_id uuid NOT NULL,
    sealed_body bytea NOT NULL CHECK (octet_length(sealed_body) >= 29),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, draft_id, number)
);

CREATE TRIGGER draft_versions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.draft_versions
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.draft_versions TO instant_credit_app;
