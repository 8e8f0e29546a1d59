-- Alerts: opened and closed with a window, by rule and subject. Written by the statement that writes the window.
CREATE TABLE instant_credit.alert_events (
    book text NOT NULL CHECK (char_length(book) BETWEEN 1 AND 64),
    product text NOT NULL CHECK (char_length(product) BETWEEN 1 AND 64),
    last_on date NOT NULL,
    rule text NOT NULL CHECK (char_length(rule) BETWEEN 1 AND 64),
    subject text NOT NULL CHECK (char_length(subject) <= 64),
    kind text NOT NULL CHECK (kind IN ('opened', 'closed')),
    metric text NOT NULL CHECK (char_length(metric) <= 64),
    value double precision,
    owner text NOT NULL CHECK (char_length(owner) <= 64),
    runbook text NOT NULL CHECK (char_length(runbook) <= 200),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (book, product, last_on, rule, subject)
);

CREATE TRIGGER alert_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.alert_events
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.alert_events TO instant_credit_app;
GRANT SELECT ON instant_credit.alert_events TO instant_credit_reader;
