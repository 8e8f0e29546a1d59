-- Purpose: retire a master key for good, with the link; says whether it is retired, which it is not where it still wraps a data key, and whether
--   that was written down now.
-- $1 text: master key id; $2 text: actor kind; $3 text: actor id; $4 timestamptz: recorded at
-- $5..$9 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Reads the whole of person_keys.
WITH outcome AS MATERIALIZED (
    SELECT is_retired, is_new
    FROM instant_credit.end_master_key($1, $2, $3, $4)
), appended AS (
    INSERT INTO instant_credit.links (writer_id, seq, link, leaves, recorded_at)
    SELECT $5, $6, $7, $8, $9
    FROM outcome
    WHERE outcome.is_new
)
SELECT outcome.is_retired, outcome.is_new FROM outcome
