-- Purpose: destroy a person's data key where retention has passed and no hold stands, and write it down with the link; says what stood in
--   the way.
-- $1 smallint: bucket; $2 uuid: key id; $3 bytea: person id; $4 text: reason; $5 text: actor kind; $6 text: actor id;
-- $7 timestamptz: recorded at
-- $8..$12 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of person_keys, on cases_by_person and person_holds_by_person.
WITH outcome AS MATERIALIZED (
    SELECT is_erased, last_action_at, kept_until, holds
    FROM instant_credit.erase_person($1, $2, $3, $4, $5, $6, $7)
), appended AS (
    INSERT INTO instant_credit.links (writer_id, seq, link, leaves, recorded_at)
    SELECT $8, $9, $10, $11, $12
    FROM outcome
    WHERE outcome.is_erased
)
SELECT outcome.is_erased, outcome.last_action_at, outcome.kept_until, outcome.holds FROM outcome
