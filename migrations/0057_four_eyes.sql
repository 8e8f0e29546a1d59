-- Four eyes in one way, whoever writes. A key signs for its client, over all keys of that client; a job seconds nothing; whoever proposed
-- a waiver does not approve it, and whoever proposed a release neither approves nor rejects it, unless the event says of itself that one
-- person stood in for two.
ALTER TABLE instant_credit.gate_waivers ADD COLUMN client_id text CHECK (char_length(client_id) BETWEEN 1 AND 64);
ALTER TABLE instant_credit.gate_waiver_approvals ADD COLUMN client_id text CHECK (char_length(client_id) BETWEEN 1 AND 64);

CREATE FUNCTION instant_credit.signer(actor_kind text, client_id text, actor_id text) RETURNS text
LANGUAGE sql
IMMUTABLE
AS $$
    SELECT CASE WHEN actor_kind = 'api_key' AND client_id IS NOT NULL THEN 'client ' || client_id ELSE actor_kind || ' ' || actor_id END
$$;

CREATE OR REPLACE FUNCTION instant_credit.refuse_own_approval() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM instant_credit.gate_waivers AS waiver
        WHERE
            waiver.waiver_id = NEW.waiver_id
            AND instant_credit.signer(waiver.actor_kind, waiver.client_id, waiver.actor_id)
            = instant_credit.signer(NEW.actor_kind, NEW.client_id, NEW.actor_id)
    ) THEN
        RAISE EXCEPTION 'a waiver is approved by a second person'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'gate_waiver_approvals_four_eyes';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION instant_credit.refuse_own_verdict() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last record;
BEGIN
    SELECT event.kind, instant_credit.signer(event.actor_kind, event.client_id, event.actor_id) AS signer INTO last
    FROM instant_credit.release_events AS event
    WHERE
        event.product = NEW.product
        AND event.release_hash = NEW.release_hash
        AND event.number < NEW.number
        AND event.kind IN ('proposed', 'approved', 'rejected', 'retired')
    ORDER BY event.number DESC
    LIMIT 1;
    IF last.kind IS DISTINCT FROM 'proposed' THEN
        RAISE EXCEPTION 'nothing of this release waits for a second person'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'release_events_wait';
    END IF;
    IF NEW.actor_kind = 'job' OR last.signer = instant_credit.signer(NEW.actor_kind, NEW.client_id, NEW.actor_id) THEN
        RAISE EXCEPTION 'a release is judged by a second person'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'release_events_four_eyes';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER release_events_four_eyes BEFORE INSERT ON instant_credit.release_events
    FOR EACH ROW WHEN (NEW.kind IN ('approved', 'rejected') AND NOT NEW.is_single_person)
    EXECUTE FUNCTION instant_credit.refuse_own_verdict();
