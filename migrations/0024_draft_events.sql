-- What happened to a draft, each at most once: submitted while incomplete, completed (the clock of 12 CFR 1002.9(a)(1)(i) starts),
-- withdrawn. complete_by is the day named by the notice of incompleteness (12 CFR 1002.9(c)(2)).
CREATE TABLE instant_credit.draft_events (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    draft_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('incomplete', 'completed', 'withdrawn')),
    complete_by timestamptz CHECK (complete_by > recorded_at),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, draft_id, kind),
    CHECK ((kind = 'incomplete') = (complete_by IS NOT NULL))
);

-- A draft is completed or withdrawn, never both.
CREATE UNIQUE INDEX draft_events_ends_once ON instant_credit.draft_events (bucket, draft_id) WHERE kind <> 'incomplete';

CREATE TRIGGER draft_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.draft_events
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.draft_events TO instant_credit_app;
GRANT SELECT ON instant_credit.draft_events TO instant_credit_reader;
