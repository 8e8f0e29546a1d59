-- Purpose: lines that are in quarantine still, in the order of their ids.
-- $1 boolean: of tests; $2 uuid: id after which to go on; $3 bigint: most rows
-- Relies on quarantined_outcomes_by_id and on the primary key of quarantine_ends.
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
    quarantined_outcomes.recorded_at
FROM quarantined_outcomes
WHERE quarantined_outcomes.is_test = $1
    AND quarantined_outcomes.quarantine_id > $2
    AND NOT EXISTS (
        SELECT FROM quarantine_ends
        WHERE quarantine_ends.bucket = quarantined_outcomes.bucket
            AND quarantine_ends.quarantine_id = quarantined_outcomes.quarantine_id
    )
ORDER BY quarantined_outcomes.quarantine_id
LIMIT $3
