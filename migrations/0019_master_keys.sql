-- The life of master keys: from when each was current, and from when it wraps nothing. The keys themselves lie in the key ring only.
-- Keyed by master key: no person owns these rows.
CREATE TABLE instant_credit.master_key_events (
    master_key_id text NOT NULL CHECK (char_length(master_key_id) BETWEEN 1 AND 64),
    kind text NOT NULL CHECK (kind IN ('made_current', 'retired')),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (master_key_id, kind)
);

CREATE TRIGGER master_key_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.master_key_events
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT ON instant_credit.master_key_events TO instant_credit_app, instant_credit_reader;

-- A retired master key may leave the ring, so nothing may be wrapped by it any more. A server that had not yet looked at its ring loses this
-- race like any other and wraps again.
CREATE FUNCTION instant_credit.refuse_retired_master_key() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM instant_credit.master_key_events AS event
        WHERE event.kind = 'retired' AND event.master_key_id IN (SELECT inserted.master_key_id FROM inserted)
    ) THEN
        RAISE EXCEPTION 'a data key is wrapped by a retired master key' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER person_keys_master_key AFTER INSERT ON sealed_keys.person_keys
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_retired_master_key();

-- Retires a master key: waits for whoever is wrapping by it, and lets nobody after. False where something is wrapped by it still.
CREATE FUNCTION instant_credit.retire_master_key(
    retired_key_id text, retired_actor_kind text, retired_actor_id text, retired_at timestamptz
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOCK TABLE sealed_keys.person_keys IN SHARE MODE;
    IF EXISTS (SELECT FROM sealed_keys.person_keys WHERE person_keys.master_key_id = retired_key_id) THEN
        RETURN false;
    END IF;
    INSERT INTO instant_credit.master_key_events (master_key_id, kind, actor_kind, actor_id, recorded_at)
    VALUES (retired_key_id, 'retired', retired_actor_kind, retired_actor_id, retired_at)
    ON CONFLICT (master_key_id, kind) DO NOTHING;
    RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION instant_credit.retire_master_key FROM PUBLIC;
