-- Purpose: every line in quarantine as it is stored, as a leaf covers it.
-- Reads the whole of quarantined_outcomes.
SELECT
    bucket,
    quarantine_id,
    line_mac,
    person_id,
    key_id,
    case_id,
    source,
    format,
    book,
    line,
    code,
    message,
    is_test,
    sealed_line,
    actor_kind,
    actor_id,
    recorded_at
FROM quarantined_outcomes
