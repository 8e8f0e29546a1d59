-- Sufficient statistics of the units that became ripe on a day, by metric (its place in the plan), arm and segment: how many units, the sums of their
-- size s, value y and covariate x and of the products of these. They add up over days; no unit is read twice. Segment -1 is everybody; within a
-- segment (its place among those of the exposure) category -1 is a missing answer. `hits` adds up each unit's y / s where the metric is a share.
-- A day without units has no rows here; experiment_counts says that it was frozen.
CREATE TABLE instant_credit.experiment_sums (
    experiment integer NOT NULL REFERENCES instant_credit.experiments (experiment),
    metric smallint NOT NULL CHECK (metric BETWEEN 0 AND 11),
    segment smallint NOT NULL CHECK (segment BETWEEN -1 AND 7),
    category smallint NOT NULL CHECK (category >= -1),
    arm smallint NOT NULL CHECK (arm BETWEEN 0 AND 7),
    ripe_on date NOT NULL,
    units bigint NOT NULL CHECK (units >= 1),
    s float8 NOT NULL,
    y float8 NOT NULL,
    x float8 NOT NULL,
    ss float8 NOT NULL,
    sy float8 NOT NULL,
    sx float8 NOT NULL,
    yy float8 NOT NULL,
    yx float8 NOT NULL,
    xx float8 NOT NULL,
    hits float8 NOT NULL CHECK (hits BETWEEN 0 AND units),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (experiment, metric, segment, category, arm, ripe_on),
    CHECK (segment >= 0 OR category = -1)
);

CREATE TRIGGER experiment_sums_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.experiment_sums
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.experiment_sums TO instant_credit_app;
GRANT SELECT ON instant_credit.experiment_sums TO instant_credit_reader;
