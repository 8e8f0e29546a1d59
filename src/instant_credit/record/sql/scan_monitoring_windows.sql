-- Purpose: every judged window as it is stored, as a leaf covers it.
-- Reads the whole of monitoring_windows.
SELECT
    book,
    product,
    last_on,
    first_on,
    rules_hash,
    release_hash,
    reference_hash,
    cases,
    report,
    actor_kind,
    actor_id,
    recorded_at
FROM monitoring_windows
