-- Purpose: the lines in quarantine, or that were, that name an application of a person, each with its key, oldest first.
-- $1 bytea: person id
-- Relies on quarantined_outcomes_by_person and the primary key of person_keys.
SELECT
    quarantined_outcomes.quarantine_id,
    quarantined_outcomes.case_id,
    quarantined_outcomes.code,
    quarantined_outcomes.message,
    quarantined_outcomes.sealed_line,
    quarantined_outcomes.person_id,
    quarantined_outcomes.key_id,
    quarantined_outcomes.recorded_at,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM quarantined_outcomes
LEFT JOIN sealed_keys.person_keys
    ON person_keys.bucket = get_byte(quarantined_outcomes.person_id, 0) AND person_keys.key_id = quarantined_outcomes.key_id
WHERE quarantined_outcomes.person_id = $1
ORDER BY quarantined_outcomes.recorded_at, quarantined_outcomes.quarantine_id
