-- What borrowers then did: dated events, each with the day it happened and the day it became known.
CREATE TABLE instant_credit.repayment_events (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    case_id uuid NOT NULL,
    event_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('paid', 'charged_off', 'recovered', 'current', 'delinquent')),
    amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
    event_on date NOT NULL,
    known_on date NOT NULL CHECK (known_on >= event_on),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, case_id, event_id),
    FOREIGN KEY (bucket, case_id) REFERENCES instant_credit.cases (bucket, case_id)
);

CREATE TRIGGER repayment_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.repayment_events
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.repayment_events TO instant_credit_app;
GRANT SELECT ON instant_credit.repayment_events TO instant_credit_reader;
