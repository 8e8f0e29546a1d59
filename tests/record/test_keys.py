"""What the catalogue says of the tables' keys: person-owned tables stay within a person's bucket."""

from pathlib import Path
from uuid import UUID

import pytest

from instant_credit.access.actors import Actor
from instant_credit.record.commit import commit_entries
from instant_credit.record.ids import bucket_of
from instant_credit.record.pool import Record
from tests.record.entries import make_keyed

pytestmark = pytest.mark.anyio

ADRS = Path(__file__).parents[2] / "docs" / "adr"
# No person owns their rows.
KEYED_OTHERWISE = {
    "documents": ["content_hash"],
    "release_activations": ["activation"],
    "release_events": ["product", "number"],
    "api_keys": ["key_id"],
    "api_key_revocations": ["key_id"],
    "api_key_rotations": ["key_id"],
    "idempotency_keys": ["client_id", "idempotency_key"],
    "key_rings": ["ring"],
    "links": ["writer_id", "seq"],
    "master_key_events": ["master_key_id", "kind"],
    "book_reads": ["read_id"],
    "arm_tallies": ["experiment", "arm", "holder_id", "number"],
    "gate_waivers": ["waiver_id"],
    "gate_waiver_approvals": ["waiver_id"],
    "jobs": ["job_id"],
    "job_events": ["job_id", "number"],
    "job_results": ["job_id", "content_hash"],
    "job_progress": ["job_id"],
    "pgqueuer": ["id"],
    "pgqueuer_log": ["id"],
    "pgqueuer_schedules": ["id"],
    "pgqueuer_statistics": ["id"],
    "sketches": ["book", "day_on", "release_hash", "reference_hash", "revision"],
    "monitoring_windows": ["book", "product", "last_on"],
    "alert_events": ["book", "product", "last_on", "rule", "subject"],
    "trigger_events": ["name", "number"],
    "experiments": ["experiment"],
    "experiment_events": ["experiment", "number"],
    "experiment_sums": ["experiment", "metric", "segment", "category", "arm", "ripe_on"],
    "experiment_hazards": ["experiment", "metric", "arm", "month", "known_on"],
    "experiment_counts": ["experiment", "day_on", "segment", "category", "arm"],
    "budget_leases": ["key", "number"],
    "schema_migrations": ["number"],
}
UNIQUE_INDEXES = """
    SELECT pg_class.relname, pg_index.indisprimary,
        array(
            SELECT pg_attribute.attname::text FROM unnest(pg_index.indkey::smallint[]) WITH ORDINALITY AS key (number, place)
            JOIN pg_attribute ON attrelid = pg_class.oid AND attnum = key.number ORDER BY key.place
        ) AS columns
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace IN ('instant_credit'::regnamespace, 'sealed_keys'::regnamespace) AND indisunique
"""
FOREIGN_KEYS = """
    SELECT own.relname AS own, other.relname AS other,
        (SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1]) AS own_column,
        (SELECT attname::text FROM pg_attribute WHERE attrelid = confrelid AND attnum = confkey[1]) AS other_column
    FROM pg_constraint JOIN pg_class AS own ON own.oid = conrelid JOIN pg_class AS other ON other.oid = confrelid
    WHERE contype = 'f' AND own.relnamespace IN ('instant_credit'::regnamespace, 'sealed_keys'::regnamespace)
"""
TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace IN ('instant_credit'::regnamespace, 'sealed_keys'::regnamespace) AND relkind IN ('r', 'p')
"""


async def fetch(record: Record, query: str) -> list[tuple[object, ...]]:
    async with record.connection() as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def test_every_person_owned_tables_primary_key_begins_with_bucket(record: Record) -> None:
    tables = {name for (name,) in await fetch(record, TABLES)}
    primary = {name: columns for name, is_primary, columns in await fetch(record, UNIQUE_INDEXES) if is_primary}
    assert set(primary) == tables
    assert {name: columns for name, columns in primary.items() if columns[0] != "bucket"} == KEYED_OTHERWISE  # type: ignore[index] # names, never empty


async def test_every_unique_index_of_a_person_owned_table_begins_with_bucket(record: Record) -> None:
    found = [(name, columns) for name, _, columns in await fetch(record, UNIQUE_INDEXES) if name not in KEYED_OTHERWISE]
    assert {columns[0] for _, columns in found} == {"bucket"}  # type: ignore[index] # names, never empty
    assert ("natural_keys", ["bucket", "book", "natural_key"]) in found


async def test_foreign_keys_stay_within_a_bucket_or_among_tables_of_no_person(record: Record) -> None:
    found = await fetch(record, FOREIGN_KEYS)
    assert found
    for own, other, own_column, other_column in found:
        if own in KEYED_OTHERWISE:
            assert other in KEYED_OTHERWISE
        else:
            assert (own_column, other_column) == ("bucket", "bucket")


def test_an_adr_names_every_table_that_is_keyed_otherwise() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in ADRS.glob("*.md"))
    assert [name for name in KEYED_OTHERWISE if f"`{name}`" not in text] == []


async def test_every_recorded_id_gives_its_bucket_back(record: Record, actor: Actor) -> None:
    await commit_entries(record, [make_keyed(record, number, f"key {number}") for number in range(30)], actor)
    pairs = await fetch(
        record,
        "SELECT bucket, case_id FROM cases UNION ALL SELECT bucket, decision_id FROM decisions"
        " UNION ALL SELECT bucket, decision_id FROM idempotency_keys UNION ALL SELECT bucket, key_id FROM sealed_keys.person_keys"
        " UNION ALL SELECT get_byte(person_id, 0), case_id FROM cases",
    )
    assert len(pairs) == 150
    assert len({bucket for bucket, _ in pairs}) > 1
    for bucket, row_id in pairs:
        assert isinstance(row_id, UUID)
        assert bucket_of(row_id) == bucket


async def test_every_idempotency_key_has_its_decision(record: Record, actor: Actor) -> None:
    entries = [make_keyed(record, number, f"key {number % 3}") for number in range(6)]
    await commit_entries(record, entries, actor)
    (counts,) = await fetch(
        record,
        "SELECT count(*), count(decisions.client_id) FROM idempotency_keys AS keys"
        " LEFT JOIN decisions ON decisions.bucket = keys.bucket AND decisions.decision_id = keys.decision_id"
        " AND decisions.client_id = keys.client_id",
    )
    assert counts == (3, 3)
