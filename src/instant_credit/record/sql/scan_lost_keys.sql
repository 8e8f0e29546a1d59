-- Purpose: data keys that are gone though no erasure names them, and how many Cases, versions of drafts and lines in quarantine each of them
--   sealed.
-- Reads the whole of cases, draft_versions, quarantined_outcomes, person_keys and person_erasures.
SELECT sealed.key_id, count(*) AS sealed_rows
FROM (
    SELECT cases.bucket, cases.key_id FROM cases
    UNION ALL
    SELECT get_byte(draft_versions.person_id, 0)::smallint, draft_versions.key_id FROM draft_versions
    UNION ALL
    SELECT get_byte(quarantined_outcomes.person_id, 0)::smallint, quarantined_outcomes.key_id FROM quarantined_outcomes
) AS sealed
WHERE NOT EXISTS (
        SELECT FROM sealed_keys.person_keys
        WHERE person_keys.bucket = sealed.bucket AND person_keys.key_id = sealed.key_id
    )
    AND NOT EXISTS (
        SELECT FROM person_erasures
        WHERE person_erasures.bucket = sealed.bucket AND person_erasures.key_id = sealed.key_id
    )
GROUP BY sealed.bucket, sealed.key_id
ORDER BY sealed.bucket, sealed.key_id
