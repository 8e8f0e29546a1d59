-- Purpose: destroy a person's data key where retention has passed and no hold stands, and write it down; says what stood in the way.
-- $1 smallint: bucket; $2 uuid: key id; $3 bytea: person id; $4 text: reason; $5 text: actor kind; $6 text: actor id;
-- $7 timestamptz: recorded at
-- Relies on the primary key of person_keys, on cases_by_person and person_holds_by_person.
SELECT is_erased, last_action_at, kept_until, holds
FROM instant_credit.erase_person($1, $2, $3, $4, $5, $6, $7)
