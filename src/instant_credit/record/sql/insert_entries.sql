-- Purpose: write entries, all or nothing: one statement is one transaction. A unique violation means a lost race.
-- $1 text: actor kind; $2 text: actor id
-- $3..$8 persons: bucket smallint[], key_id uuid[], person_id bytea[], master_key_id text[], wrapped_key bytea[], recorded_at timestamptz[]
-- $9..$21 cases: bucket smallint[], case_id uuid[], person_id bytea[], key_id uuid[], book text[], product text[], product_hash text[],
--   as_of date[], natural_key text[], sealed_case bytea[], sealed_monitoring bytea[], sampling_weight float8[],
--   recorded_at timestamptz[]
-- $22..$26 identities: bucket smallint[], case_id uuid[], person_id bytea[], sealed_identity bytea[], recorded_at timestamptz[]
-- $27..$36 decisions: bucket smallint[], decision_id uuid[], case_id uuid[], release_hash text[], client_id text[], outcome text[],
--   sealed_decision bytea[], sealed_answer bytea[], stage_ns text[] (each an array literal), recorded_at timestamptz[]
-- $37..$42 idempotency keys: client_id text[], idempotency_key text[], body_mac bytea[], bucket smallint[], decision_id uuid[],
--   recorded_at timestamptz[]
-- $43..$50 events: bucket smallint[], case_id uuid[], event_id uuid[], kind text[], amount_cents bigint[], event_on date[], known_on date[],
--   recorded_at timestamptz[]
-- Relies on the primary keys of cases, person_keys, identities, decisions, idempotency_keys and repayment_events, on cases_by_natural_key,
--   person_keys (bucket, person_id) and decisions (bucket, case_id): their uniqueness decides races.
WITH inserted_cases AS (
    INSERT INTO cases (
        bucket, case_id, person_id, key_id, book, product, product_hash, as_of, natural_key, sealed_case, sealed_monitoring,
        sampling_weight, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.case_id, row.person_id, row.key_id, row.book, row.product, row.product_hash, row.as_of, row.natural_key,
        row.sealed_case, row.sealed_monitoring, row.sampling_weight, row.recorded_at, $1::text, $2::text
    FROM unnest(
        $9::smallint[], $10::uuid[], $11::bytea[], $12::uuid[], $13::text[], $14::text[], $15::text[], $16::date[], $17::text[], $18::bytea[],
        $19::bytea[], $20::float8[], $21::timestamptz[]
    ) AS row (
        bucket, case_id, person_id, key_id, book, product, product_hash, as_of, natural_key, sealed_case, sealed_monitoring, sampling_weight,
        recorded_at
    )
), inserted_persons AS (
    INSERT INTO sealed_keys.person_keys (bucket, key_id, person_id, master_key_id, wrapped_key, recorded_at, actor_kind, actor_id)
    SELECT row.bucket, row.key_id, row.person_id, row.master_key_id, row.wrapped_key, row.recorded_at, $1::text, $2::text
    FROM unnest($3::smallint[], $4::uuid[], $5::bytea[], $6::text[], $7::bytea[], $8::timestamptz[])
        AS row (bucket, key_id, person_id, master_key_id, wrapped_key, recorded_at)
), inserted_identities AS (
    INSERT INTO identities (bucket, case_id, person_id, sealed_identity, recorded_at, actor_kind, actor_id)
    SELECT row.bucket, row.case_id, row.person_id, row.sealed_identity, row.recorded_at, $1::text, $2::text
    FROM unnest($22::smallint[], $23::uuid[], $24::bytea[], $25::bytea[], $26::timestamptz[])
        AS row (bucket, case_id, person_id, sealed_identity, recorded_at)
), inserted_decisions AS (
    INSERT INTO decisions (
        bucket, decision_id, case_id, release_hash, client_id, outcome, sealed_decision, sealed_answer, stage_ns, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.decision_id, row.case_id, row.release_hash, row.client_id, row.outcome, row.sealed_decision, row.sealed_answer,
        row.stage_ns::bigint[], row.recorded_at, $1::text, $2::text
    FROM unnest(
        $27::smallint[], $28::uuid[], $29::uuid[], $30::text[], $31::text[], $32::text[], $33::bytea[], $34::bytea[], $35::text[], $36::timestamptz[]
    ) AS row (bucket, decision_id, case_id, release_hash, client_id, outcome, sealed_decision, sealed_answer, stage_ns, recorded_at)
), inserted_keys AS (
    INSERT INTO idempotency_keys (
        client_id, idempotency_key, body_mac, bucket, decision_id, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.client_id, row.idempotency_key, row.body_mac, row.bucket, row.decision_id, row.recorded_at, $1::text, $2::text
    FROM unnest($37::text[], $38::text[], $39::bytea[], $40::smallint[], $41::uuid[], $42::timestamptz[])
        AS row (client_id, idempotency_key, body_mac, bucket, decision_id, recorded_at)
)
INSERT INTO repayment_events (
    bucket, case_id, event_id, kind, amount_cents, event_on, known_on, recorded_at, actor_kind, actor_id
)
SELECT
    row.bucket, row.case_id, row.event_id, row.kind, row.amount_cents, row.event_on, row.known_on, row.recorded_at, $1::text, $2::text
FROM unnest(
    $43::smallint[], $44::uuid[], $45::uuid[], $46::text[], $47::bigint[], $48::date[], $49::date[], $50::timestamptz[]
) AS row (bucket, case_id, event_id, kind, amount_cents, event_on, known_on, recorded_at)
