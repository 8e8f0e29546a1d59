-- Purpose: write down reads of data of the persons of Cases, or of persons, with their link.
-- $1..$9 reads: bucket smallint[], read_id uuid[], person_id bytea[], case_id uuid[] (NULL: everything of the person), kind text[],
--   purpose text[], actor_kind text[], actor_id text[], recorded_at timestamptz[]
-- $10..$14 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of personal_data_reads and links.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($10, $11, $12, $13, $14)
)
INSERT INTO personal_data_reads (
    bucket, read_id, person_id, case_id, kind, purpose, actor_kind, actor_id, recorded_at
)
SELECT
    row.bucket, row.read_id, row.person_id, row.case_id, row.kind, row.purpose, row.actor_kind, row.actor_id, row.recorded_at
FROM unnest(
    $1::smallint[], $2::uuid[], $3::bytea[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[]
) AS row (bucket, read_id, person_id, case_id, kind, purpose, actor_kind, actor_id, recorded_at)
