-- What becomes of a draft that named nobody, or somebody else, before it named its person: it is held with the person, and goes with the person.

-- Every owner of a draft that the person has a version of. A hold that was placed before the draft named its person is on another one of them.
CREATE VIEW instant_credit.person_draft_owners (person_id, bucket, owner_id) AS
SELECT own.person_id, get_byte(other.person_id, 0)::smallint, other.person_id
FROM instant_credit.draft_versions AS own
INNER JOIN instant_credit.draft_versions AS other ON other.bucket = own.bucket AND other.draft_id = own.draft_id;

-- The versions that a person's drafts had before they named the person, each under another owner's key: of owners who are nobody (a draft's own, or a
-- number told by mistake), that is without a Case and without another draft. What was told under another person's number is that person's.
CREATE VIEW instant_credit.person_former_versions (person_id, bucket, draft_id, number, owner_id, key_id) AS
SELECT DISTINCT own.person_id, former.bucket, former.draft_id, former.number, former.person_id, former.key_id
FROM instant_credit.draft_versions AS own
INNER JOIN instant_credit.draft_versions AS former
    ON former.bucket = own.bucket AND former.draft_id = own.draft_id AND former.number < own.number
    AND former.person_id <> own.person_id
WHERE NOT EXISTS (
        SELECT FROM instant_credit.cases
        WHERE cases.bucket = get_byte(former.person_id, 0) AND cases.person_id = former.person_id
    )
    AND NOT EXISTS (
        SELECT FROM instant_credit.draft_versions AS other
        WHERE other.person_id = former.person_id AND other.draft_id <> former.draft_id
    );

-- The data keys that go with a person beside the person's own: those of such versions, of drafts that name the person in their last version.
-- It lies with the keys, so that a dump of the data without them is whole.
CREATE VIEW sealed_keys.person_draft_keys (person_id, bucket, key_id, owner_id) AS
SELECT DISTINCT former.person_id, key.bucket, key.key_id, key.person_id
FROM instant_credit.person_former_versions AS former
INNER JOIN sealed_keys.person_keys AS key
    ON key.bucket = get_byte(former.owner_id, 0) AND key.key_id = former.key_id
WHERE former.person_id = (
    SELECT last.person_id FROM instant_credit.draft_versions AS last
    WHERE last.bucket = former.bucket AND last.draft_id = former.draft_id
    ORDER BY last.number DESC
    LIMIT 1
);

GRANT SELECT ON instant_credit.person_draft_owners, instant_credit.person_former_versions, sealed_keys.person_draft_keys
    TO instant_credit_app;

-- What takes its place destroys these keys itself, each with an erasure of its own.
DROP TRIGGER person_erasures_drafts ON instant_credit.person_erasures;
DROP FUNCTION instant_credit.destroy_draft_keys;
DROP FUNCTION instant_credit.erase_person;

-- Destroys the data keys of a person where the law lets it: 25 months after the last action (12 CFR 1002.12(b)) by the caller's clock and by the
-- database's, and under no hold. Says what it found. Whoever adds a Case or a version of a draft under one of them waits, and then finds no key.
-- The caller names the keys, since their leaves are in its link: nothing is destroyed unless these are all of them once they are locked.
CREATE FUNCTION instant_credit.erase_person(
    erased_bucket smallint, erased_key_id uuid, erased_person_id bytea, erased_reason text,
    erased_actor_kind text, erased_actor_id text, erased_at timestamptz, draft_key_ids uuid[]
) RETURNS TABLE (
    is_erased boolean, last_action_at timestamptz, kept_until timestamptz, judged_at timestamptz, holds bigint
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_key_ids uuid[];
BEGIN
    LOCK TABLE instant_credit.person_holds IN SHARE MODE;
    SELECT key.recorded_at INTO last_action_at
    FROM sealed_keys.person_keys AS key
    WHERE key.bucket = erased_bucket AND key.key_id = erased_key_id AND key.person_id = erased_person_id
    FOR UPDATE;
    is_erased := FOUND;
    PERFORM FROM sealed_keys.person_keys AS key
    WHERE (key.bucket, key.key_id) IN (
        SELECT own.bucket, own.key_id FROM sealed_keys.person_draft_keys AS own
        WHERE own.person_id = erased_person_id
    )
    ORDER BY key.bucket, key.key_id
    FOR UPDATE OF key;
    -- Another statement sees what those committed who were waited for: a Case under a number that was told by mistake makes it a person's.
    SELECT coalesce(array_agg(own.key_id), '{}') INTO own_key_ids
    FROM sealed_keys.person_draft_keys AS own
    WHERE own.person_id = erased_person_id;
    is_erased := is_erased AND own_key_ids @> draft_key_ids AND own_key_ids <@ draft_key_ids;
    SELECT greatest(last_action_at, max(action.acted_at)) INTO last_action_at
    FROM instant_credit.person_actions AS action
    WHERE action.bucket = erased_bucket AND action.person_id = erased_person_id;
    kept_until := (last_action_at AT TIME ZONE 'UTC' + interval '25 months') AT TIME ZONE 'UTC';
    judged_at := least(erased_at, now());
    SELECT count(*) INTO holds
    FROM instant_credit.person_holds AS hold
    WHERE (hold.bucket, hold.person_id) IN (
            SELECT erased_bucket, erased_person_id
            UNION ALL
            SELECT other.bucket, other.owner_id FROM instant_credit.person_draft_owners AS other
            WHERE other.person_id = erased_person_id
        )
        AND NOT EXISTS (
            SELECT FROM instant_credit.person_hold_releases AS release
            WHERE release.bucket = hold.bucket AND release.hold_id = hold.hold_id
        );
    is_erased := is_erased AND holds = 0 AND kept_until <= judged_at;
    IF is_erased THEN
        WITH destroyed AS (
            DELETE FROM sealed_keys.person_keys AS key
            WHERE (key.bucket, key.key_id) IN (
                SELECT erased_bucket, erased_key_id
                UNION ALL
                SELECT own.bucket, own.key_id FROM sealed_keys.person_draft_keys AS own
                WHERE own.person_id = erased_person_id
            )
            RETURNING key.bucket, key.key_id, key.person_id
        )
        INSERT INTO instant_credit.person_erasures (
            bucket, key_id, person_id, reason, actor_kind, actor_id, recorded_at
        )
        SELECT
            destroyed.bucket, destroyed.key_id, destroyed.person_id, erased_reason, erased_actor_kind, erased_actor_id,
            erased_at
        FROM destroyed;
    END IF;
    RETURN NEXT;
END
$$;

REVOKE EXECUTE ON FUNCTION instant_credit.erase_person FROM PUBLIC;
