-- Running experiments of one layer share no bucket, whoever writes: a start whose range is taken meets a unique violation, as one whose number is
-- taken does, and whoever wrote it reads again. Starts wait for each other, so that each one sees those before it.
CREATE FUNCTION instant_credit.plan_layer(body bytea) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN convert_from(body, 'UTF8')::jsonb ->> 'layer';
EXCEPTION
    WHEN data_exception THEN RETURN NULL;
END
$$;

CREATE FUNCTION instant_credit.refuse_taken_range() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own record;
BEGIN
    PERFORM pg_advisory_xact_lock(475983106);
    SELECT planned.product, instant_credit.plan_layer(plan.body) AS layer INTO own
    FROM instant_credit.experiments AS planned
    INNER JOIN instant_credit.documents AS plan ON plan.content_hash = planned.plan_hash
    WHERE planned.experiment = NEW.experiment;
    IF EXISTS (
        SELECT FROM instant_credit.experiment_events AS started
        INNER JOIN instant_credit.experiments AS planned ON planned.experiment = started.experiment
        INNER JOIN instant_credit.documents AS plan ON plan.content_hash = planned.plan_hash
        WHERE
            started.kind = 'started'
            AND started.reach_from_ppm < NEW.reach_to_ppm
            AND NEW.reach_from_ppm < started.reach_to_ppm
            AND planned.product = own.product
            AND NOT EXISTS (
                SELECT FROM instant_credit.experiment_events AS ended
                WHERE ended.experiment = started.experiment AND ended.kind IN ('stopped', 'concluded')
            )
            AND instant_credit.plan_layer(plan.body) = own.layer
    ) THEN
        RAISE EXCEPTION 'another experiment of the layer runs on these buckets'
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'experiment_events_range';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER experiment_events_range BEFORE INSERT ON instant_credit.experiment_events
    FOR EACH ROW WHEN (NEW.kind = 'started')
    EXECUTE FUNCTION instant_credit.refuse_taken_range();
