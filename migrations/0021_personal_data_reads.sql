-- Who saw data of which person in the clear, when and for what; and who took a whole book. They hold ids only.
CREATE TABLE instant_credit.personal_data_reads (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    read_id uuid NOT NULL,
    person_id bytea NOT NULL CHECK (octet_length(person_id) = 32),
    case_id uuid,
    kind text NOT NULL CHECK (kind IN ('decision', 'identity', 'person')),
    purpose text NOT NULL CHECK (purpose IN ('review', 'audit', 'complaint', 'legal', 'person_request', 'support')),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, read_id),
    CHECK ((case_id IS NULL) = (kind = 'person'))
);

CREATE INDEX personal_data_reads_by_person ON instant_credit.personal_data_reads (bucket, person_id);

-- Keyed by the read: a book has no person.
CREATE TABLE instant_credit.book_reads (
    read_id uuid PRIMARY KEY,
    book text NOT NULL CHECK (char_length(book) BETWEEN 1 AND 64),
    purpose text NOT NULL CHECK (purpose IN ('analysis', 'audit', 'legal', 'migration')),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL
);

CREATE INDEX book_reads_by_book ON instant_credit.book_reads (book, recorded_at);

CREATE TRIGGER personal_data_reads_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.personal_data_reads
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();
CREATE TRIGGER book_reads_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.book_reads
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.personal_data_reads, instant_credit.book_reads TO instant_credit_app;
GRANT SELECT ON instant_credit.personal_data_reads, instant_credit.book_reads TO instant_credit_reader;
