-- A gate of a candidate's report waived: proposed by one actor, approved by another, until a day. A report's gates are documents, so nothing
-- of a person is here; a reason is about a model. Some gates are never waived and are not among the names.
CREATE TABLE instant_credit.gate_waivers (
    waiver_id uuid PRIMARY KEY,
    report_hash text NOT NULL REFERENCES instant_credit.documents (content_hash),
    gate text NOT NULL CHECK (
        gate IN (
            'overfit', 'discrimination', 'calibration', 'segment_calibration', 'stability', 'reasons', 'fairness', 'cost', 'profit'
        )
    ),
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 400),
    until_on date NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    CHECK (until_on >= (recorded_at AT TIME ZONE 'UTC')::date)
);

CREATE INDEX gate_waivers_by_report ON instant_credit.gate_waivers (report_hash);

CREATE TABLE instant_credit.gate_waiver_approvals (
    waiver_id uuid PRIMARY KEY REFERENCES instant_credit.gate_waivers (waiver_id),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL
);

-- Four eyes, whoever writes: nobody approves what they proposed.
CREATE FUNCTION instant_credit.refuse_own_approval() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM instant_credit.gate_waivers AS waiver
        WHERE waiver.waiver_id = NEW.waiver_id AND waiver.actor_id = NEW.actor_id
    ) THEN
        RAISE EXCEPTION 'a waiver is approved by a second person' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER gate_waiver_approvals_four_eyes BEFORE INSERT ON instant_credit.gate_waiver_approvals
    FOR EACH ROW EXECUTE FUNCTION instant_credit.refuse_own_approval();
CREATE TRIGGER gate_waivers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.gate_waivers
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();
CREATE TRIGGER gate_waiver_approvals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.gate_waiver_approvals
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.gate_waivers, instant_credit.gate_waiver_approvals TO instant_credit_app;
GRANT SELECT ON instant_credit.gate_waivers, instant_credit.gate_waiver_approvals TO instant_credit_reader;
