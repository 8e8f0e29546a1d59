-- Money that processes took ahead of a budget, to reserve from: an arm's loss budget, a day's portfolio cap, a programme's cap. A lease that comes
-- back, whole or in part, is negative. `leased_cents` is what is out after the row, so a row follows from the one before it alone, and the number
-- decides races: of two that follow the same row one is written. More is out than the cap only where the cap was lowered, and then nothing is taken.
CREATE TABLE instant_credit.budget_leases (
    key text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 200),
    number integer NOT NULL CHECK (number >= 1),
    cents bigint NOT NULL CHECK (cents <> 0),
    leased_cents bigint NOT NULL CHECK (leased_cents >= 0),
    cap_cents bigint NOT NULL CHECK (cap_cents >= 0),
    holder_id uuid NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (key, number),
    CHECK (cents < 0 OR leased_cents <= cap_cents)
);

CREATE TRIGGER budget_leases_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.budget_leases
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.budget_leases TO instant_credit_app;
GRANT SELECT ON instant_credit.budget_leases TO instant_credit_reader;
