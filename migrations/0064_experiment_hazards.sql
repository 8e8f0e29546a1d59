-- Defaults by month after the first exposure (months of 30 days, from 1), of units whose month was over and known about on a day: how many had not
-- defaulted before it, and how many of those did in it. A declined application never defaults, so that the arms stay comparable.
CREATE TABLE instant_credit.experiment_hazards (
    experiment integer NOT NULL REFERENCES instant_credit.experiments (experiment),
    metric smallint NOT NULL CHECK (metric BETWEEN 0 AND 11),
    arm smallint NOT NULL CHECK (arm BETWEEN 0 AND 7),
    month smallint NOT NULL CHECK (month BETWEEN 1 AND 37),
    known_on date NOT NULL,
    at_risk bigint NOT NULL CHECK (at_risk >= 1),
    defaults bigint NOT NULL CHECK (defaults BETWEEN 0 AND at_risk),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (experiment, metric, arm, month, known_on)
);

CREATE TRIGGER experiment_hazards_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.experiment_hazards
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.experiment_hazards TO instant_credit_app;
GRANT SELECT ON instant_credit.experiment_hazards TO instant_credit_reader;
