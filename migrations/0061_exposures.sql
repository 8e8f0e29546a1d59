-- Which application drew which arm of which experiment, written with its Decision: slim and unsealed, since nothing in it says who anybody is.
-- `unit_id` names the randomised unit, a person or a household, by a keyed hash; `baseline_` is what the live release would have said, on the same
-- facts: a figure that no arm can move. Amounts are cents of what was offered, 0 where nothing was; what is reserved is an upper bound of what may be lost.
CREATE TABLE instant_credit.exposures (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    case_id uuid NOT NULL,
    experiment integer NOT NULL,
    arm smallint NOT NULL CHECK (arm BETWEEN 0 AND 7),
    unit_id bytea NOT NULL CHECK (octet_length(unit_id) = 16),
    exposed_on date NOT NULL,
    propensity_ppm integer NOT NULL CHECK (propensity_ppm BETWEEN 1 AND 1000000),
    reach_ppm integer NOT NULL CHECK (reach_ppm BETWEEN 1 AND 1000000),
    baseline_pd_ppm integer CHECK (baseline_pd_ppm BETWEEN 0 AND 1000000),
    baseline_is_offer boolean NOT NULL,
    is_offer boolean NOT NULL,
    offered_cents bigint NOT NULL CHECK (offered_cents >= 0),
    reserved_cents bigint NOT NULL CHECK (reserved_cents >= 0),
    segments smallint[] NOT NULL CHECK (cardinality(segments) <= 4),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, case_id, experiment)
);

CREATE TRIGGER exposures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.exposures
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

CREATE INDEX exposures_of_experiments ON instant_credit.exposures (experiment, exposed_on);

-- What else a unit applied for, and whether it was seen before.
CREATE INDEX exposures_of_units ON instant_credit.exposures (experiment, unit_id, exposed_on);

GRANT SELECT, INSERT ON instant_credit.exposures TO instant_credit_app;
GRANT SELECT ON instant_credit.exposures TO instant_credit_reader;
