-- A row of a tape is one Case of its book, whatever day or id it is given. Applications have no natural key.
-- A table of its own, because a unique index of a table in partitions by time holds within a partition only. The statement that writes a
-- Case writes its row here out of the same columns, so there is no foreign key.
CREATE TABLE instant_credit.natural_keys (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    book text NOT NULL CHECK (char_length(book) BETWEEN 1 AND 64),
    natural_key text NOT NULL CHECK (char_length(natural_key) BETWEEN 1 AND 128),
    case_id uuid NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, book, natural_key)
);

INSERT INTO instant_credit.natural_keys (bucket, book, natural_key, case_id, actor_kind, actor_id, recorded_at)
SELECT bucket, book, natural_key, case_id, actor_kind, actor_id, recorded_at
FROM instant_credit.cases
WHERE natural_key IS NOT NULL
ORDER BY bucket, book, natural_key;

CREATE TRIGGER natural_keys_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.natural_keys
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.natural_keys TO instant_credit_app;
GRANT SELECT ON instant_credit.natural_keys TO instant_credit_reader;
