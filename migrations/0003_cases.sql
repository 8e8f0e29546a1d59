-- A Case: the evidence as it was known, sealed. Who applied lies apart in identities.
-- All that is sealed of a Case, its identity and its Decision is sealed under the person's data key that key_id names. It outlives that key:
-- no key of this id means that the person was erased, so there is no foreign key.
CREATE TABLE instant_credit.cases (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    case_id uuid NOT NULL,
    person_id bytea NOT NULL CHECK (octet_length(person_id) = 32),
    key_id uuid NOT NULL,
    book text NOT NULL CHECK (char_length(book) BETWEEN 1 AND 64),
    product text NOT NULL CHECK (char_length(product) BETWEEN 1 AND 64),
    product_hash text NOT NULL CHECK (char_length(product_hash) = 64),
    as_of date NOT NULL,
    natural_key text CHECK (char_length(natural_key) BETWEEN 1 AND 128),
    sealed_case bytea NOT NULL CHECK (octet_length(sealed_case) >= 29),
    sealed_monitoring bytea CHECK (octet_length(sealed_monitoring) >= 29),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, case_id)
);

-- Ciphertext does not compress: don't try.
ALTER TABLE instant_credit.cases ALTER COLUMN sealed_case SET STORAGE EXTERNAL;

CREATE INDEX cases_by_book ON instant_credit.cases (book, bucket, case_id);

-- A row of a tape is one Case of its book, whatever day or id it is given. Applications have no natural key.
CREATE UNIQUE INDEX cases_by_natural_key ON instant_credit.cases (bucket, book, natural_key) WHERE natural_key IS NOT NULL;

CREATE TRIGGER cases_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.cases
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.cases TO instant_credit_app;
GRANT SELECT ON instant_credit.cases TO instant_credit_reader;
