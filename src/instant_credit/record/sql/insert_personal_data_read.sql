-- Purpose: write down that somebody reads data of the person of a Case, or of a person.
-- $1 smallint: bucket; $2 uuid: read id; $3 bytea: person id; $4 uuid: case id or NULL; $5 text: kind; $6 text: purpose;
-- $7 text: actor kind; $8 text: actor id; $9 timestamptz: recorded at
-- $10..$14 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary key of personal_data_reads.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($10, $11, $12, $13, $14)
)
INSERT INTO personal_data_reads (
    bucket, read_id, person_id, case_id, kind, purpose, actor_kind, actor_id, recorded_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
