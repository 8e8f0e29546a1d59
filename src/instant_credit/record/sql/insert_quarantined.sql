-- Purpose: put lines into quarantine with their link, and the data key that some of them are sealed under where that is new. A unique
--   violation means a lost race.
-- $1..$17 lines: bucket smallint[], quarantine_id uuid[], line_mac bytea[], person_id bytea[], key_id uuid[], case_id uuid[], source text[],
--   format text[], book text[], line bigint[], code text[], message text[], is_test boolean[], sealed_line bytea[], actor_kind text[],
--   actor_id text[], recorded_at timestamptz[]
-- $18 uuid: id of a new data key, or NULL; $19 bytea: its owner; $20 text: master key id; $21 bytea: wrapped; $22 timestamptz: recorded at;
-- $23 text: actor kind; $24 text: actor id
-- $25..$29 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on quarantined_outcomes_by_line and on person_keys (bucket, person_id): their uniqueness decides races.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($25, $26, $27, $28, $29)
), inserted_key AS (
    INSERT INTO sealed_keys.person_keys (
        bucket, key_id, person_id, master_key_id, wrapped_key, recorded_at, actor_kind, actor_id
    )
    SELECT get_byte($19, 0), $18, $19, $20, $21, $22, $23, $24
    WHERE $18::uuid IS NOT NULL
)
INSERT INTO quarantined_outcomes (
    bucket, quarantine_id, line_mac, person_id, key_id, case_id, source, format, book, line, code, message, is_test, sealed_line,
    actor_kind, actor_id, recorded_at
)
SELECT
    row.bucket, row.quarantine_id, row.line_mac, row.person_id, row.key_id, row.case_id, row.source, row.format, row.book, row.line,
    row.code, row.message, row.is_test, row.sealed_line, row.actor_kind, row.actor_id, row.recorded_at
FROM unnest(
    $1::smallint[], $2::uuid[], $3::bytea[], $4::bytea[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::bigint[],
    $11::text[], $12::text[], $13::boolean[], $14::bytea[], $15::text[], $16::text[], $17::timestamptz[]
) AS row (
    bucket, quarantine_id, line_mac, person_id, key_id, case_id, source, format, book, line, code, message, is_test, sealed_line,
    actor_kind, actor_id, recorded_at
)
