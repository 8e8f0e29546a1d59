-- Purpose: retire a master key for good; false where it still wraps a data key.
-- $1 text: master key id; $2 text: actor kind; $3 text: actor id; $4 timestamptz: recorded at
-- Reads the whole of person_keys.
SELECT instant_credit.retire_master_key($1, $2, $3, $4)
