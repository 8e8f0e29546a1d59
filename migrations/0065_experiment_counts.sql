-- What a day exposed, by arm and segment: each arm of a running or stopped experiment has a row of segment -1 for each day, which says that the day
-- was frozen. `units` are those that were exposed for the first time, `unit_offers` those of them that were offered something then. A unit that
-- drew this arm on the day, another one at first, and hasn't strayed before, counts in `units_in_two_arms`.
CREATE TABLE instant_credit.experiment_counts (
    experiment integer NOT NULL REFERENCES instant_credit.experiments (experiment),
    day_on date NOT NULL,
    segment smallint NOT NULL CHECK (segment BETWEEN -1 AND 7),
    category smallint NOT NULL CHECK (category >= -1),
    arm smallint NOT NULL CHECK (arm BETWEEN 0 AND 7),
    applications bigint NOT NULL CHECK (applications >= 0),
    offers bigint NOT NULL CHECK (offers BETWEEN 0 AND applications),
    baseline_offers bigint NOT NULL CHECK (baseline_offers BETWEEN 0 AND applications),
    without_pd bigint NOT NULL CHECK (without_pd BETWEEN 0 AND applications),
    offered_cents bigint NOT NULL CHECK (offered_cents >= 0),
    reserved_cents bigint NOT NULL CHECK (reserved_cents >= 0),
    units bigint NOT NULL CHECK (units BETWEEN 0 AND applications),
    unit_offers bigint NOT NULL CHECK (unit_offers BETWEEN 0 AND units),
    units_in_two_arms bigint NOT NULL CHECK (units_in_two_arms BETWEEN 0 AND applications),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (experiment, day_on, segment, category, arm),
    CHECK (segment >= 0 OR category = -1)
);

CREATE TRIGGER experiment_counts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.experiment_counts
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.experiment_counts TO instant_credit_app;
GRANT SELECT ON instant_credit.experiment_counts TO instant_credit_reader;
