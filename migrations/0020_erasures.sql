-- The end of a person's data: holds, their releases, and erasures by destroying the data key. Reasons are codes, never a text about anybody.
CREATE TABLE instant_credit.person_holds (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    hold_id uuid NOT NULL,
    person_id bytea NOT NULL CHECK (octet_length(person_id) = 32),
    reason text NOT NULL CHECK (reason IN ('LITIGATION', 'INVESTIGATION', 'ENFORCEMENT', 'COMPLAINT', 'AUDIT')),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, hold_id)
);

CREATE INDEX person_holds_by_person ON instant_credit.person_holds (bucket, person_id);

CREATE TABLE instant_credit.person_hold_releases (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    hold_id uuid NOT NULL,
    reason text NOT NULL CHECK (reason IN ('MATTER_CLOSED', 'HELD_IN_ERROR')),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, hold_id),
    FOREIGN KEY (bucket, hold_id) REFERENCES instant_credit.person_holds (bucket, hold_id)
);

CREATE TABLE instant_credit.person_erasures (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    key_id uuid NOT NULL,
    person_id bytea NOT NULL CHECK (octet_length(person_id) = 32),
    reason text NOT NULL CHECK (reason IN ('PERSON_REQUEST', 'RETENTION_ENDED')),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, key_id)
);

CREATE INDEX person_erasures_by_person ON instant_credit.person_erasures (bucket, person_id);

CREATE INDEX cases_by_person ON instant_credit.cases (bucket, person_id);

CREATE TRIGGER person_holds_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.person_holds
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();
CREATE TRIGGER person_hold_releases_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.person_hold_releases
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();
CREATE TRIGGER person_erasures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.person_erasures
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.person_holds, instant_credit.person_hold_releases TO instant_credit_app;
GRANT SELECT ON instant_credit.person_erasures TO instant_credit_app;
GRANT SELECT ON instant_credit.person_holds, instant_credit.person_hold_releases, instant_credit.person_erasures
    TO instant_credit_reader;

-- Everything that counts as an action on a Case of a person: retention runs from the last one. A table of further actions on Cases is added
-- here by the migration that makes it.
CREATE VIEW instant_credit.person_actions (bucket, person_id, acted_at) AS
SELECT cases.bucket, cases.person_id, cases.recorded_at FROM instant_credit.cases
UNION ALL
SELECT cases.bucket, cases.person_id, decisions.recorded_at
FROM instant_credit.cases
INNER JOIN instant_credit.decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
UNION ALL
SELECT cases.bucket, cases.person_id, repayment_events.recorded_at
FROM instant_credit.cases
INNER JOIN instant_credit.repayment_events
    ON repayment_events.bucket = cases.bucket AND repayment_events.case_id = cases.case_id;

GRANT SELECT ON instant_credit.person_actions TO instant_credit_app;

-- A Case is recorded under a key that stands: it is readable first and erased later, never born erased. The lock lets an erasure and a new
-- Case of one person pass one after the other; it needs a right that the app lacks, so the function has its owner's.
CREATE FUNCTION instant_credit.require_person_key() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM inserted
        WHERE NOT EXISTS (
            SELECT FROM sealed_keys.person_keys AS key
            WHERE key.bucket = inserted.bucket AND key.key_id = inserted.key_id
            FOR KEY SHARE
        )
    ) THEN
        RAISE EXCEPTION 'a row is sealed under a destroyed data key' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER cases_person_key AFTER INSERT ON instant_credit.cases
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.require_person_key();

-- Destroys a data key where the law lets it: 25 months after the last action (12 CFR 1002.12(b)) and under no hold. Says what it found.
-- Whoever adds a Case of the person waits, and then finds no key.
CREATE FUNCTION instant_credit.erase_person(
    erased_bucket smallint, erased_key_id uuid, erased_person_id bytea, erased_reason text,
    erased_actor_kind text, erased_actor_id text, erased_at timestamptz
) RETURNS TABLE (is_erased boolean, last_action_at timestamptz, kept_until timestamptz, holds bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOCK TABLE instant_credit.person_holds IN SHARE MODE;
    SELECT key.recorded_at INTO last_action_at
    FROM sealed_keys.person_keys AS key
    WHERE key.bucket = erased_bucket AND key.key_id = erased_key_id AND key.person_id = erased_person_id
    FOR UPDATE;
    is_erased := FOUND;
    SELECT greatest(last_action_at, max(action.acted_at)) INTO last_action_at
    FROM instant_credit.person_actions AS action
    WHERE action.bucket = erased_bucket AND action.person_id = erased_person_id;
    kept_until := (last_action_at AT TIME ZONE 'UTC' + interval '25 months') AT TIME ZONE 'UTC';
    SELECT count(*) INTO holds
    FROM instant_credit.person_holds AS hold
    WHERE hold.bucket = erased_bucket AND hold.person_id = erased_person_id
        AND NOT EXISTS (
            SELECT FROM instant_credit.person_hold_releases AS release
            WHERE release.bucket = hold.bucket AND release.hold_id = hold.hold_id
        );
    is_erased := is_erased AND holds = 0 AND kept_until <= erased_at;
    IF is_erased THEN
        DELETE FROM sealed_keys.person_keys AS key WHERE key.bucket = erased_bucket AND key.key_id = erased_key_id;
        INSERT INTO instant_credit.person_erasures (bucket, key_id, person_id, reason, actor_kind, actor_id, recorded_at)
        VALUES (
            erased_bucket, erased_key_id, erased_person_id, erased_reason, erased_actor_kind, erased_actor_id, erased_at
        );
    END IF;
    RETURN NEXT;
END
$$;

REVOKE EXECUTE ON FUNCTION instant_credit.erase_person, instant_credit.require_person_key FROM PUBLIC;
