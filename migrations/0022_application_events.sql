-- What happened to an application after its decision. Nothing is ever changed: the state follows from these events and the clock.
-- The number decides races: of two events that both follow the same ones, one is written and the other one is judged again.
CREATE TABLE instant_credit.application_events (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    case_id uuid NOT NULL,
    number smallint NOT NULL CHECK (number BETWEEN 1 AND 100),
    kind text NOT NULL CHECK (kind IN ('accepted', 'withdrawn')),
    offer_id uuid,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, case_id, number),
    CHECK ((kind = 'accepted') = (offer_id IS NOT NULL))
);

CREATE TRIGGER application_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.application_events
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.application_events TO instant_credit_app;
GRANT SELECT ON instant_credit.application_events TO instant_credit_reader;
