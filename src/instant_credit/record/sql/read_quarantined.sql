-- Purpose: one line in quarantine, sealed, with its data key and what became of it.
-- $1 smallint: bucket; $2 uuid: quarantine id
-- Relies on the primary keys of quarantined_outcomes, quarantine_ends and person_keys.
SELECT
    quarantined_outcomes.quarantine_id,
    quarantined_outcomes.case_id,
    quarantined_outcomes.source,
    quarantined_outcomes.format,
    quarantined_outcomes.book,
    quarantined_outcomes.line,
    quarantined_outcomes.code,
    quarantined_outcomes.message,
    quarantined_outcomes.is_test,
    quarantined_outcomes.actor_id,
    quarantined_outcomes.recorded_at,
    quarantined_outcomes.sealed_line,
    quarantined_outcomes.person_id,
    quarantined_outcomes.key_id,
    person_keys.master_key_id,
    person_keys.wrapped_key,
    quarantine_ends.kind AS ended
FROM quarantined_outcomes
LEFT JOIN sealed_keys.person_keys
    ON person_keys.bucket = get_byte(quarantined_outcomes.person_id, 0) AND person_keys.key_id = quarantined_outcomes.key_id
LEFT JOIN quarantine_ends
    ON quarantine_ends.bucket = quarantined_outcomes.bucket
    AND quarantine_ends.quarantine_id = quarantined_outcomes.quarantine_id
WHERE quarantined_outcomes.bucket = $1 AND quarantined_outcomes.quarantine_id = $2
