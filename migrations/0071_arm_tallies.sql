-- What a server process counted of the arms that its applications drew, since it wrote last: how many were answered or failed, how many of them by a
-- fault, and of answers whose plan bounds their latency how many took longer. Rows add up; the number is the process's own, so that a row that was
-- sent twice stands once. Nobody is named.
CREATE TABLE instant_credit.arm_tallies (
    experiment integer NOT NULL REFERENCES instant_credit.experiments (experiment),
    arm smallint NOT NULL CHECK (arm BETWEEN 0 AND 7),
    holder_id uuid NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    applications bigint NOT NULL CHECK (applications >= 1),
    failed bigint NOT NULL CHECK (failed BETWEEN 0 AND applications),
    timed bigint NOT NULL CHECK (timed BETWEEN 0 AND applications - failed),
    slow bigint NOT NULL CHECK (slow BETWEEN 0 AND timed),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (experiment, arm, holder_id, number)
);

CREATE TRIGGER arm_tallies_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.arm_tallies
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.arm_tallies TO instant_credit_app;
GRANT SELECT ON instant_credit.arm_tallies TO instant_credit_reader;
