-- Purpose: write entries with their link, all or nothing: one statement is one transaction. A unique violation means a lost race.
-- $1..$8 persons: bucket smallint[], key_id uuid[], person_id bytea[], master_key_id text[], wrapped_key bytea[], recorded_at
--   timestamptz[], actor_kind text[], actor_id text[]
-- $9..$23 cases: bucket smallint[], case_id uuid[], person_id bytea[], key_id uuid[], book text[], product text[], product_hash text[],
--   as_of date[], natural_key text[], sealed_case bytea[], sealed_monitoring bytea[], sampling_weight float8[], recorded_at timestamptz[],
--   actor_kind text[], actor_id text[]
-- $24..$30 identities: bucket smallint[], case_id uuid[], person_id bytea[], sealed_identity bytea[], recorded_at timestamptz[], actor_kind
--   text[], actor_id text[]
-- $31..$45 decisions: bucket smallint[], decision_id uuid[], commitment bytea[], case_id uuid[], release_hash text[], client_id text[], outcome text[],
--   sealed_decision bytea[], sealed_answer bytea[], stage_ns text[] (each an array literal), recorded_at timestamptz[], actor_kind text[],
--   actor_id text[], writer_id uuid[], link_seq bigint[]
-- $46..$53 idempotency keys: client_id text[], idempotency_key text[], body_mac bytea[], bucket smallint[], decision_id uuid[], recorded_at
--   timestamptz[], actor_kind text[], actor_id text[]
-- $54..$63 events: bucket smallint[], case_id uuid[], event_id uuid[], kind text[], amount_cents bigint[], event_on date[], known_on
--   date[], recorded_at timestamptz[], actor_kind text[], actor_id text[]
-- $64 integer[]: by Case, its number among the person's applications, or NULL
-- $65..$69 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of all these tables and of natural_keys, on person_keys (bucket, person_id) and on (bucket, decision_id) of
--   every partition of decisions: their uniqueness decides races. Rows are written in the order of these keys, so that two commits lock
--   alike: those of cases, identities, decisions and events as they are given, the others sorted here.
WITH inserted_cases AS (
    INSERT INTO cases (
        bucket, case_id, person_id, key_id, book, product, product_hash, as_of, natural_key, sealed_case, sealed_monitoring,
        sampling_weight, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.case_id, row.person_id, row.key_id, row.book, row.product, row.product_hash, row.as_of, row.natural_key,
        row.sealed_case, row.sealed_monitoring, row.sampling_weight, row.recorded_at, row.actor_kind, row.actor_id
    FROM unnest(
        $9::smallint[], $10::uuid[], $11::bytea[], $12::uuid[], $13::text[], $14::text[], $15::text[], $16::date[], $17::text[],
        $18::bytea[], $19::bytea[], $20::float8[], $21::timestamptz[], $22::text[], $23::text[]
    ) AS row (
        bucket, case_id, person_id, key_id, book, product, product_hash, as_of, natural_key, sealed_case, sealed_monitoring,
        sampling_weight, recorded_at, actor_kind, actor_id
    )
), inserted_natural_keys AS (
    INSERT INTO natural_keys (
        bucket, book, natural_key, case_id, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.book, row.natural_key, row.case_id, row.recorded_at, row.actor_kind, row.actor_id
    FROM unnest(
        $9::smallint[], $13::text[], $17::text[], $10::uuid[], $21::timestamptz[], $22::text[], $23::text[]
    ) AS row (
        bucket, book, natural_key, case_id, recorded_at, actor_kind, actor_id
    )
    WHERE row.natural_key IS NOT NULL
    ORDER BY row.bucket, row.book, row.natural_key
), inserted_numbers AS (
    INSERT INTO person_applications (
        bucket, person_id, book, number, case_id, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.person_id, row.book, row.number, row.case_id, row.recorded_at, row.actor_kind, row.actor_id
    FROM unnest(
        $9::smallint[], $11::bytea[], $13::text[], $64::integer[], $10::uuid[], $21::timestamptz[], $22::text[], $23::text[]
    ) AS row (
        bucket, person_id, book, number, case_id, recorded_at, actor_kind, actor_id
    )
    WHERE row.number IS NOT NULL
    ORDER BY row.bucket, row.person_id, row.book, row.number
), inserted_persons AS (
    INSERT INTO sealed_keys.person_keys (
        bucket, key_id, person_id, master_key_id, wrapped_key, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.key_id, row.person_id, row.master_key_id, row.wrapped_key, row.recorded_at, row.actor_kind, row.actor_id
    FROM unnest(
        $1::smallint[], $2::uuid[], $3::bytea[], $4::text[], $5::bytea[], $6::timestamptz[], $7::text[], $8::text[]
    ) AS row (
        bucket, key_id, person_id, master_key_id, wrapped_key, recorded_at, actor_kind, actor_id
    )
), inserted_identities AS (
    INSERT INTO identities (
        bucket, case_id, person_id, sealed_identity, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.case_id, row.person_id, row.sealed_identity, row.recorded_at, row.actor_kind, row.actor_id
    FROM unnest(
        $24::smallint[], $25::uuid[], $26::bytea[], $27::bytea[], $28::timestamptz[], $29::text[], $30::text[]
    ) AS row (
        bucket, case_id, person_id, sealed_identity, recorded_at, actor_kind, actor_id
    )
), inserted_decisions AS (
    INSERT INTO decisions (
        bucket, decision_id, commitment, case_id, release_hash, client_id, outcome, sealed_decision, sealed_answer, stage_ns, recorded_at,
        actor_kind, actor_id, writer_id, link_seq
    )
    SELECT
        row.bucket, row.decision_id, row.commitment, row.case_id, row.release_hash, row.client_id, row.outcome, row.sealed_decision,
        row.sealed_answer, row.stage_ns::bigint[], row.recorded_at, row.actor_kind, row.actor_id, row.writer_id, row.link_seq
    FROM unnest(
        $31::smallint[], $32::uuid[], $33::bytea[], $34::uuid[], $35::text[], $36::text[], $37::text[], $38::bytea[], $39::bytea[],
        $40::text[], $41::timestamptz[], $42::text[], $43::text[], $44::uuid[], $45::bigint[]
    ) AS row (
        bucket, decision_id, commitment, case_id, release_hash, client_id, outcome, sealed_decision, sealed_answer, stage_ns, recorded_at,
        actor_kind, actor_id, writer_id, link_seq
    )
), inserted_keys AS (
    INSERT INTO idempotency_keys (
        client_id, idempotency_key, body_mac, bucket, decision_id, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.client_id, row.idempotency_key, row.body_mac, row.bucket, row.decision_id, row.recorded_at, row.actor_kind, row.actor_id
    FROM unnest(
        $46::text[], $47::text[], $48::bytea[], $49::smallint[], $50::uuid[], $51::timestamptz[], $52::text[], $53::text[]
    ) AS row (
        client_id, idempotency_key, body_mac, bucket, decision_id, recorded_at, actor_kind, actor_id
    )
    ORDER BY row.client_id, row.idempotency_key
), appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($65, $66, $67, $68, $69)
)
INSERT INTO repayment_events (
    bucket, case_id, event_id, kind, amount_cents, event_on, known_on, recorded_at, actor_kind, actor_id
)
SELECT
    row.bucket, row.case_id, row.event_id, row.kind, row.amount_cents, row.event_on, row.known_on, row.recorded_at, row.actor_kind,
    row.actor_id
FROM unnest(
    $54::smallint[], $55::uuid[], $56::uuid[], $57::text[], $58::bigint[], $59::date[], $60::date[], $61::timestamptz[], $62::text[],
    $63::text[]
) AS row (
    bucket, case_id, event_id, kind, amount_cents, event_on, known_on, recorded_at, actor_kind, actor_id
)
