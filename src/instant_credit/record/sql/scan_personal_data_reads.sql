-- Purpose: every read of personal data as it is stored, as a leaf covers it.
-- Reads the whole of personal_data_reads.
SELECT
    bucket,
    read_id,
    person_id,
    case_id,
    kind,
    purpose,
    actor_kind,
    actor_id,
    recorded_at
FROM personal_data_reads
