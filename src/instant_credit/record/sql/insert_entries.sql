-- Purpose: write entries with their link, all or nothing: one statement is one transaction. A unique violation means a lost race.
-- $1..$15 cases: bucket smallint[], case_id uuid[], person_id bytea[], key_id uuid[], book text[], product text[], product_hash text[],
--   as_of date[], natural_key text[], sealed_case bytea[], sealed_monitoring bytea[], sampling_weight float8[], recorded_at timestamptz[],
--   actor_kind text[], actor_id text[]; the instant and the actor are those of all that belongs to the Case
-- $16..$17 new data keys, or NULL: master_key_id text[], wrapped_key bytea[]
-- $18 integer[]: numbers among the person's applications, or NULL
-- $19 bytea[]: sealed identities, or NULL
-- $20..$27 decisions, or NULL: decision_id uuid[], commitment bytea[], release_hash text[], client_id text[], outcome text[],
--   sealed_decision bytea[], sealed_answer bytea[], stage_ns text[] (each an array literal)
-- $28..$29 idempotency keys, or NULL: idempotency_key text[], body_mac bytea[]
-- $30..$42 events: bucket smallint[], case_id uuid[], event_id uuid[], kind text[], amount_cents bigint[], event_on date[], known_on
--   date[], recorded_at timestamptz[], actor_kind text[], actor_id text[], days_past_due integer[], corrects uuid[], number integer[]
-- $43..$57 exposures: bucket smallint[], case_id uuid[], experiment integer[], arm smallint[], unit_id bytea[], exposed_on date[],
--   propensity_ppm integer[], reach_ppm integer[], baseline_pd_ppm integer[], baseline_is_offer boolean[], is_offer boolean[],
--   offered_cents bigint[], reserved_cents bigint[], segments text[] (each an array literal), recorded_at timestamptz[]
-- $58..$62 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of all these tables and of natural_keys, on person_keys (bucket, person_id) and on (bucket, decision_id) of
--   every partition of decisions: their uniqueness decides races. Rows are written in the order of these keys, so that two commits lock
--   alike: those of cases, identities, decisions and events as they are given, the others sorted here.
WITH entries AS MATERIALIZED (
    SELECT
        row.bucket, row.case_id, row.person_id, row.key_id, row.book, row.product, row.product_hash, row.as_of, row.natural_key,
        row.sealed_case, row.sealed_monitoring, row.sampling_weight, row.recorded_at, row.actor_kind, row.actor_id, row.master_key_id,
        row.wrapped_key, row.number, row.sealed_identity, row.decision_id, row.commitment, row.release_hash, row.client_id, row.outcome,
        row.sealed_decision, row.sealed_answer, row.stage_ns, row.idempotency_key, row.body_mac
    FROM unnest(
        $1::smallint[], $2::uuid[], $3::bytea[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::date[], $9::text[], $10::bytea[],
        $11::bytea[], $12::float8[], $13::timestamptz[], $14::text[], $15::text[], $16::text[], $17::bytea[], $18::integer[],
        $19::bytea[], $20::uuid[], $21::bytea[], $22::text[], $23::text[], $24::text[], $25::bytea[], $26::bytea[], $27::text[],
        $28::text[], $29::bytea[]
    ) AS row (
        bucket, case_id, person_id, key_id, book, product, product_hash, as_of, natural_key, sealed_case, sealed_monitoring,
        sampling_weight, recorded_at, actor_kind, actor_id, master_key_id, wrapped_key, number, sealed_identity, decision_id, commitment,
        release_hash, client_id, outcome, sealed_decision, sealed_answer, stage_ns, idempotency_key, body_mac
    )
), inserted_cases AS (
    INSERT INTO cases (
        bucket, case_id, person_id, key_id, book, product, product_hash, as_of, natural_key, sealed_case, sealed_monitoring,
        sampling_weight, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.case_id, row.person_id, row.key_id, row.book, row.product, row.product_hash, row.as_of, row.natural_key,
        row.sealed_case, row.sealed_monitoring, row.sampling_weight, row.recorded_at, row.actor_kind, row.actor_id
    FROM entries AS row
), inserted_natural_keys AS (
    INSERT INTO natural_keys (
        bucket, book, natural_key, case_id, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.book, row.natural_key, row.case_id, row.recorded_at, row.actor_kind, row.actor_id
    FROM entries AS row
    WHERE row.natural_key IS NOT NULL
    ORDER BY row.bucket, row.book, row.natural_key
), inserted_numbers AS (
    INSERT INTO person_applications (
        bucket, person_id, book, number, case_id, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.person_id, row.book, row.number, row.case_id, row.recorded_at, row.actor_kind, row.actor_id
    FROM entries AS row
    WHERE row.number IS NOT NULL
    ORDER BY row.bucket, row.person_id, row.book, row.number
), inserted_persons AS (
    INSERT INTO sealed_keys.person_keys (
        bucket, key_id, person_id, master_key_id, wrapped_key, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.key_id, row.person_id, row.master_key_id, row.wrapped_key, row.recorded_at, row.actor_kind, row.actor_id
    FROM entries AS row
    WHERE row.wrapped_key IS NOT NULL
    ORDER BY row.bucket, row.person_id
), inserted_identities AS (
    INSERT INTO identities (
        bucket, case_id, person_id, sealed_identity, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.bucket, row.case_id, row.person_id, row.sealed_identity, row.recorded_at, row.actor_kind, row.actor_id
    FROM entries AS row
    WHERE row.sealed_identity IS NOT NULL
), inserted_decisions AS (
    INSERT INTO decisions (
        bucket, decision_id, commitment, case_id, release_hash, client_id, outcome, sealed_decision, sealed_answer, stage_ns, recorded_at,
        actor_kind, actor_id, writer_id, link_seq
    )
    SELECT
        row.bucket, row.decision_id, row.commitment, row.case_id, row.release_hash, row.client_id, row.outcome, row.sealed_decision,
        row.sealed_answer, row.stage_ns::bigint[], row.recorded_at, row.actor_kind, row.actor_id, $58, $59
    FROM entries AS row
    WHERE row.decision_id IS NOT NULL
), inserted_keys AS (
    INSERT INTO idempotency_keys (
        client_id, idempotency_key, body_mac, bucket, decision_id, recorded_at, actor_kind, actor_id
    )
    SELECT
        row.client_id, row.idempotency_key, row.body_mac, row.bucket, row.decision_id, row.recorded_at, row.actor_kind, row.actor_id
    FROM entries AS row
    WHERE row.idempotency_key IS NOT NULL
    ORDER BY row.client_id, row.idempotency_key
), inserted_exposures AS (
    INSERT INTO exposures (
        bucket, case_id, experiment, arm, unit_id, exposed_on, propensity_ppm, reach_ppm, baseline_pd_ppm, baseline_is_offer, is_offer,
        offered_cents, reserved_cents, segments, recorded_at
    )
    SELECT
        row.bucket, row.case_id, row.experiment, row.arm, row.unit_id, row.exposed_on, row.propensity_ppm, row.reach_ppm,
        row.baseline_pd_ppm, row.baseline_is_offer, row.is_offer, row.offered_cents, row.reserved_cents, row.segments::smallint[],
        row.recorded_at
    FROM unnest(
        $43::smallint[], $44::uuid[], $45::integer[], $46::smallint[], $47::bytea[], $48::date[], $49::integer[], $50::integer[],
        $51::integer[], $52::boolean[], $53::boolean[], $54::bigint[], $55::bigint[], $56::text[], $57::timestamptz[]
    ) AS row (
        bucket, case_id, experiment, arm, unit_id, exposed_on, propensity_ppm, reach_ppm, baseline_pd_ppm, baseline_is_offer, is_offer,
        offered_cents, reserved_cents, segments, recorded_at
    )
), appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($58, $59, $60, $61, $62)
)
INSERT INTO repayment_events (
    bucket, case_id, event_id, kind, amount_cents, event_on, known_on, recorded_at, actor_kind, actor_id, days_past_due, corrects, number
)
SELECT
    row.bucket, row.case_id, row.event_id, row.kind, row.amount_cents, row.event_on, row.known_on, row.recorded_at, row.actor_kind,
    row.actor_id, row.days_past_due, row.corrects, row.number
FROM unnest(
    $30::smallint[], $31::uuid[], $32::uuid[], $33::text[], $34::bigint[], $35::date[], $36::date[], $37::timestamptz[], $38::text[],
    $39::text[], $40::integer[], $41::uuid[], $42::integer[]
) AS row (
    bucket, case_id, event_id, kind, amount_cents, event_on, known_on, recorded_at, actor_kind, actor_id, days_past_due, corrects, number
)
