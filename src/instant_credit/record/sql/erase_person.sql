-- Purpose: destroy a person's data keys where retention has passed and no hold stands, and write it down with the link; says what stood in
--   the way.
-- $1 smallint: bucket; $2 uuid: key id; $3 bytea: person id; $4 text: reason; $5 text: actor kind; $6 text: actor id;
-- $7 timestamptz: recorded at; $8 uuid[]: ids of the other data keys that go with the person
-- $9..$13 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of person_keys, on cases_by_person, draft_versions_by_person and person_holds_by_person.
WITH outcome AS MATERIALIZED (
    SELECT is_erased, last_action_at, kept_until, judged_at, holds
    FROM instant_credit.erase_person($1, $2, $3, $4, $5, $6, $7, $8)
), appended AS (
    INSERT INTO instant_credit.links (writer_id, seq, link, leaves, recorded_at)
    SELECT $9, $10, $11, $12, $13
    FROM outcome
    WHERE outcome.is_erased
)
SELECT outcome.is_erased, outcome.last_action_at, outcome.kept_until, outcome.judged_at, outcome.holds FROM outcome
