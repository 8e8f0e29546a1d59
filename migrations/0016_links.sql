-- The hash chain: one link for each statement that appends to the record, written by that same statement.
-- leaves holds the hash of every row that the statement wrote, 32 bytes each. No actor and no bucket: the rows have theirs, and a link names
-- nobody.
CREATE TABLE instant_credit.links (
    writer_id uuid NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 0),
    link bytea NOT NULL CHECK (octet_length(link) = 32),
    leaves bytea NOT NULL CHECK (octet_length(leaves) > 0 AND octet_length(leaves) % 32 = 0),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (writer_id, seq)
);

-- Hashes do not compress: don't try.
ALTER TABLE instant_credit.links ALTER COLUMN leaves SET STORAGE EXTERNAL;

CREATE TRIGGER links_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.links
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.links TO instant_credit_app;
GRANT SELECT ON instant_credit.links TO instant_credit_reader;
