-- What shadow releases would have decided on recorded Cases, apart from the Decisions that were answered: canonical bytes, sealed under the
-- person's data key. Nothing depends on a row being there: what a busy server drops is counted and not decided.
CREATE TABLE instant_credit.shadow_decisions (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    case_id uuid NOT NULL,
    release_hash text NOT NULL CHECK (char_length(release_hash) = 64),
    outcome text NOT NULL CHECK (outcome IN ('approve', 'counter_offer', 'refer', 'decline')),
    sealed_decision bytea NOT NULL CHECK (octet_length(sealed_decision) >= 29),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, case_id, release_hash)
);

ALTER TABLE instant_credit.shadow_decisions ALTER COLUMN sealed_decision SET STORAGE EXTERNAL;

CREATE TRIGGER shadow_decisions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.shadow_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.shadow_decisions TO instant_credit_app;
GRANT SELECT ON instant_credit.shadow_decisions TO instant_credit_reader;
