-- Purpose: how many data keys each master key wraps.
-- Reads the whole of person_keys.
SELECT person_keys.master_key_id, count(*) AS data_keys
FROM sealed_keys.person_keys
GROUP BY person_keys.master_key_id
ORDER BY person_keys.master_key_id COLLATE "C"
