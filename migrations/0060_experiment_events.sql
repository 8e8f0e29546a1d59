-- What happens to an experiment after it was planned. Nothing is ever changed: every state follows from these events. The number decides races, as
-- it does among the events of a release. A start claims a range of its layer's buckets for good and says how much of it is covered; a ramp covers
-- more; a closed arm takes nobody any more; a stop ends all exposure, a conclusion ends the experiment with its verdict.
CREATE TABLE instant_credit.experiment_events (
    experiment integer NOT NULL REFERENCES instant_credit.experiments (experiment),
    number integer NOT NULL CHECK (number >= 1),
    kind text NOT NULL CHECK (kind IN ('started', 'ramped', 'arm_closed', 'stopped', 'concluded')),
    reach_from_ppm integer CHECK (reach_from_ppm BETWEEN 0 AND 999999),
    reach_to_ppm integer CHECK (reach_to_ppm BETWEEN 1 AND 1000000),
    coverage_ppm integer CHECK (coverage_ppm BETWEEN 0 AND 1000000),
    arm text CHECK (char_length(arm) BETWEEN 1 AND 64),
    guardrail text CHECK (char_length(guardrail) BETWEEN 1 AND 64),
    verdict text CHECK (verdict IN ('promote', 'keep', 'extend')),
    reason text CHECK (char_length(reason) BETWEEN 1 AND 400),
    is_single_person boolean NOT NULL,
    client_id text CHECK (char_length(client_id) BETWEEN 1 AND 64),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (experiment, number),
    CHECK (kind <> 'started' OR number = 1),
    CHECK ((kind = 'started') = (num_nonnulls(reach_from_ppm, reach_to_ppm) = 2)),
    CHECK ((kind IN ('started', 'ramped')) = (coverage_ppm IS NOT NULL)),
    CHECK ((kind = 'arm_closed') = (arm IS NOT NULL)),
    CHECK ((kind = 'concluded') = (verdict IS NOT NULL)),
    CHECK (guardrail IS NULL OR kind IN ('arm_closed', 'stopped')),
    CHECK (kind IN ('started', 'ramped') OR reason IS NOT NULL),
    CHECK (reach_from_ppm IS NULL OR reach_from_ppm < reach_to_ppm)
);

CREATE TRIGGER experiment_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.experiment_events
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

-- Four eyes: an experiment is started by a second person, unless the event says of itself that one stood in for two; a job starts nothing.
CREATE FUNCTION instant_credit.refuse_own_start() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.actor_kind = 'job' OR EXISTS (
        SELECT FROM instant_credit.experiments AS planned
        WHERE
            planned.experiment = NEW.experiment
            AND instant_credit.signer(planned.actor_kind, planned.client_id, planned.actor_id)
            = instant_credit.signer(NEW.actor_kind, NEW.client_id, NEW.actor_id)
    ) THEN
        RAISE EXCEPTION 'an experiment is started by a second person'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'experiment_events_four_eyes';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER experiment_events_four_eyes BEFORE INSERT ON instant_credit.experiment_events
    FOR EACH ROW WHEN (NEW.kind = 'started' AND NOT NEW.is_single_person)
    EXECUTE FUNCTION instant_credit.refuse_own_start();

GRANT SELECT, INSERT ON instant_credit.experiment_events TO instant_credit_app;
GRANT SELECT ON instant_credit.experiment_events TO instant_credit_reader;
