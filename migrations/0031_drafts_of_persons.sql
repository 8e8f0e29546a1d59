-- A draft is its person's, too: what is done with it counts for retention, and it goes with the person.
CREATE INDEX draft_versions_by_person ON instant_credit.draft_versions (person_id);

CREATE OR REPLACE VIEW instant_credit.person_actions (bucket, person_id, acted_at) AS
SELECT cases.bucket, cases.person_id, cases.recorded_at FROM instant_credit.cases
UNION ALL
SELECT cases.bucket, cases.person_id, decisions.recorded_at
FROM instant_credit.cases
INNER JOIN instant_credit.decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id
UNION ALL
SELECT cases.bucket, cases.person_id, repayment_events.recorded_at
FROM instant_credit.cases
INNER JOIN instant_credit.repayment_events
    ON repayment_events.bucket = cases.bucket AND repayment_events.case_id = cases.case_id
UNION ALL
SELECT cases.bucket, cases.person_id, application_events.recorded_at
FROM instant_credit.cases
INNER JOIN instant_credit.application_events
    ON application_events.bucket = cases.bucket AND application_events.case_id = cases.case_id
UNION ALL
SELECT get_byte(draft_versions.person_id, 0)::smallint, draft_versions.person_id, draft_versions.recorded_at
FROM instant_credit.draft_versions
UNION ALL
SELECT get_byte(draft_versions.person_id, 0)::smallint, draft_versions.person_id, draft_events.recorded_at
FROM instant_credit.draft_versions
INNER JOIN instant_credit.draft_events
    ON draft_events.bucket = draft_versions.bucket AND draft_events.draft_id = draft_versions.draft_id;

-- A draft's bucket is not its person's: the key's bucket is told by the person.
CREATE OR REPLACE FUNCTION instant_credit.require_person_key() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM inserted
        WHERE NOT EXISTS (
            SELECT FROM sealed_keys.person_keys AS key
            WHERE key.bucket = get_byte(inserted.person_id, 0) AND key.key_id = inserted.key_id
            FOR KEY SHARE
        )
    ) THEN
        RAISE EXCEPTION 'a row is sealed under a destroyed data key' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER draft_versions_person_key AFTER INSERT ON instant_credit.draft_versions
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.require_person_key();

-- A draft's versions of before its person was known are sealed under a key that is used nowhere else: it goes with the person.
CREATE FUNCTION instant_credit.destroy_draft_keys() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM sealed_keys.person_keys AS key
    USING erased
    INNER JOIN instant_credit.draft_versions AS own ON own.person_id = erased.person_id
    INNER JOIN instant_credit.draft_versions AS former
        ON former.bucket = own.bucket AND former.draft_id = own.draft_id AND former.person_id <> own.person_id
    WHERE key.bucket = get_byte(former.person_id, 0)
        AND key.key_id = former.key_id
        AND NOT EXISTS (
            SELECT FROM instant_credit.cases
            WHERE cases.bucket = key.bucket AND cases.person_id = former.person_id
        )
        AND NOT EXISTS (
            SELECT FROM instant_credit.draft_versions AS other
            WHERE other.person_id = former.person_id AND other.draft_id <> former.draft_id
        )
        AND NOT EXISTS (
            SELECT FROM instant_credit.person_holds AS hold
            WHERE hold.bucket = key.bucket AND hold.person_id = former.person_id
        );
    RETURN NULL;
END
$$;

CREATE TRIGGER person_erasures_drafts AFTER INSERT ON instant_credit.person_erasures
    REFERENCING NEW TABLE AS erased FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.destroy_draft_keys();

REVOKE EXECUTE ON FUNCTION instant_credit.destroy_draft_keys FROM PUBLIC;
