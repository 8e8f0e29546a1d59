-- The applications of a person that were decided on a history, numbered. The number decides races: of two that were decided on the same
-- history one is recorded, and the other one is decided again on what then stands. Tests have a numbering of their own.
CREATE TABLE instant_credit.person_applications (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    person_id bytea NOT NULL CHECK (octet_length(person_id) = 32),
    book text NOT NULL CHECK (char_length(book) BETWEEN 1 AND 64),
    number integer NOT NULL CHECK (number >= 1),
    case_id uuid NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, person_id, book, number)
);

CREATE TRIGGER person_applications_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.person_applications
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.person_applications TO instant_credit_app;
GRANT SELECT ON instant_credit.person_applications TO instant_credit_reader;
