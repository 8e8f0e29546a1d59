"""The audit: what it accepts, and what it counts apart."""

import re
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.access.purposes import ErasureReason
from instant_credit.errors import Refused
from instant_credit.record import audit as auditing
from instant_credit.record.adopting import ADOPTER
from instant_credit.record.audit import audit_record
from instant_credit.record.commit import commit_entries, commit_events
from instant_credit.record.embedded import APP, SUPERUSER, Cluster
from instant_credit.record.owning import open_owner
from instant_credit.record.persons import erase_person
from instant_credit.record.pool import CHAIN_GONE, Record, open_record
from instant_credit.record.reading import open_reader
from instant_credit.record.scanning import COVERED
from instant_credit.record.shipped import read_sql
from instant_credit.settings import Settings
from tests.clock import FixedClock
from tests.record.anchored import anchor, audit, fill, public_key_of, write_some
from tests.record.entries import make_entry, make_keyed

pytestmark = pytest.mark.anyio

# Tables whose rows leave no leaf, and why.
UNCOVERED = {
    "key_rings": "one row; a ring with another fingerprint is refused whenever the record is opened",
    "links": "the chain itself",
    "person_applications": "ids of Cases, which are covered, with numbers that decide races; compared with the Cases",
    "natural_keys": "columns of the Cases, which are covered, in a table that keeps them unique; compared with the Cases",
}
APPEND_ONLY = """
    SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE proname = 'refuse_change' AND NOT relispartition
"""


async def run_as_superuser(superuser_url: str, *statements: str) -> None:
    """Change what the triggers protect."""
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("SET session_replication_role = replica; SET search_path = instant_credit")
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_a_record_of_every_kind_of_row_is_what_it_was(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    await fill(record, settings, clock, actor)
    seen: list[tuple[int, int]] = []
    report = await audit_record(
        record, settings.anchors_file, public_key_of(settings), lambda done, total: seen.append((done, total))
    )
    async with record.connection() as connection:
        counts = [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in COVERED]  # noqa: S608 names of ours
    assert (report.found, report.findings) == (0, ())
    assert all(counts)
    assert (report.rows, report.anchors, report.newer_links, report.newer_rows) == (sum(counts), 4, 1, 4)
    assert seen[-1] == (2 * report.rows, 2 * report.rows)


async def test_every_table_of_facts_leaves_leaves_or_is_named_with_a_reason(record: Record) -> None:
    async with record.connection() as connection:
        tables = {row["relname"] for row in await connection.fetch(APPEND_ONLY)}
    assert tables == COVERED.keys() | UNCOVERED.keys()


async def test_a_scan_reads_every_column_of_its_table(record: Record) -> None:
    async with record.connection() as connection:
        for table in COVERED:
            columns = await connection.fetch(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'instant_credit' AND table_name = $1",
                table,
            )
            statement = await connection.prepare(read_sql(f"scan_{table}"))
            scanned = [attribute.name for attribute in statement.get_attributes()]
            assert sorted(scanned) == sorted(row["column_name"] for row in columns), table


async def test_an_empty_record_is_what_it_was(record: Record, settings: Settings) -> None:
    assert await anchor(record, settings) == 0
    report = await audit(record, settings)
    assert (report.found, report.anchors, report.links, report.rows, report.last_at) == (0, 0, 0, 0, None)


async def test_erasing_a_person_changes_nothing_that_the_chain_covers(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    entry = make_entry(record, 1)
    await commit_entries(record, [entry, make_entry(record, 2)], actor)
    await anchor(record, settings)
    clock.advance(timedelta(days=800))
    async with open_owner(settings) as owner:
        await erase_person(record, owner, entry.person_id, ErasureReason.RETENTION_ENDED, actor)
    assert (await audit(record, settings)).found == 0


async def test_a_data_key_that_is_gone_without_an_erasure_is_found(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor, superuser_url: str
) -> None:
    await fill(record, settings, clock, actor, rounds=1)
    async with record.connection() as connection:
        keys = await connection.fetch("SELECT key_id FROM sealed_keys.person_keys")
        sealed = await connection.fetchval(
            "SELECT (SELECT count(*) FROM cases) + (SELECT count(*) FROM draft_versions)"
            " + (SELECT count(*) FROM quarantined_outcomes)"
        )
        erased = await connection.fetchval(
            "SELECT count(*) FROM cases WHERE key_id IN (SELECT key_id FROM person_erasures)"
        )
    await run_as_superuser(superuser_url, "DELETE FROM sealed_keys.person_keys")
    report = await audit(record, settings)
    assert report.found == len(keys) > 1
    pattern = r"data key (\S+) is gone and no erasure names it: (\d+) rows can't be read"
    said = [re.fullmatch(pattern, one.what) for one in report.findings]
    assert {match[1] for match in said if match} == {str(row["key_id"]) for row in keys}
    assert sum(int(match[2]) for match in said if match) == sealed - erased


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM natural_keys WHERE natural_key = 'row 1'",
        "UPDATE natural_keys SET case_id = gen_random_uuid() WHERE natural_key = 'row 1'",
        "UPDATE natural_keys SET natural_key = 'row 9' WHERE natural_key = 'row 1'",
        "INSERT INTO person_applications SELECT bucket, person_id, 'other', 1, case_id, 'job', 'x', now() FROM cases LIMIT 1",
    ],
)
async def test_what_keeps_cases_unique_and_numbered_goes_with_the_cases(
    record: Record, settings: Settings, actor: Actor, superuser_url: str, change: str
) -> None:
    entries = [make_entry(record, number, person_number=1) for number in (1, 2)]
    await commit_entries(record, entries, actor)
    await anchor(record, settings)
    assert (await audit(record, settings)).found == 0
    await run_as_superuser(superuser_url, change)
    report = await audit(record, settings)
    assert report.found >= 1
    (table,) = {finding.what.split()[0] for finding in report.findings}
    assert table in change
    assert all(finding.what.endswith("it does not go with its Case") for finding in report.findings)


async def test_a_server_may_write_while_the_audit_reads(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    await fill(record, settings, clock, actor, rounds=1)
    async with auditing.at_one_instant(record.connection) as connection:
        await connection.fetchval("SELECT 1 FROM links LIMIT 1")
        await commit_entries(record, [make_keyed(record, 901, "meanwhile")], actor)
        seen = await connection.fetchval("SELECT count(*) FROM links")
    async with record.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM links") == seen + 1
    assert (await audit(record, settings)).found == 0


async def test_the_audit_cannot_write(record: Record) -> None:
    async with auditing.at_one_instant(record.connection) as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("INSERT INTO documents SELECT 'a', 'b', 'c', 'job', 'd', now()")


async def test_what_differs_in_many_parts_is_compared_in_groups(
    record: Record, settings: Settings, actor: Actor, superuser_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_some(record, actor, 0)
    await anchor(record, settings)
    await run_as_superuser(superuser_url, "UPDATE cases SET as_of = as_of + 1", "UPDATE documents SET kind = 'other'")
    monkeypatch.setattr(auditing, "_SUSPECTS_MAX", 2)
    grouped = await audit(record, settings)
    monkeypatch.setattr(auditing, "_SUSPECTS_MAX", 1_000)
    whole = await audit(record, settings)
    assert {finding.place() for finding in grouped.findings} == {finding.place() for finding in whole.findings}
    assert whole.found > 10


async def test_a_row_that_two_links_name_is_found(
    record: Record, settings: Settings, actor: Actor, superuser_url: str
) -> None:
    entry = make_entry(record, 1)
    await commit_entries(record, [entry], actor)
    await run_as_superuser(superuser_url, "DELETE FROM repayment_events")
    await commit_events(record, {entry.case_id: entry.events}, actor, record.clock.now())
    report = await audit(record, settings) if await anchor(record, settings) else None
    assert report is not None
    assert report.found == 1
    assert "2 of its 2 rows" in report.findings[0].what


async def test_rows_of_a_record_without_a_chain_are_adopted_once(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor, superuser_url: str
) -> None:
    await fill(record, settings, clock, actor, rounds=1)
    await run_as_superuser(
        superuser_url,
        "DELETE FROM links",
        "UPDATE decisions SET commitment = NULL, writer_id = NULL, link_seq = NULL",
    )
    settings.anchors_file.unlink()
    for _ in range(2):
        async with open_record(settings, clock=clock) as reopened:
            await commit_entries(reopened, [make_entry(reopened, 902)], actor)
    async with open_record(settings, clock=clock) as reopened:
        await anchor(reopened, settings, is_new_file=True)
        report = await audit(reopened, settings)
        async with reopened.connection() as connection:
            adopted = await connection.fetch("SELECT seq FROM links WHERE writer_id = $1", ADOPTER)
    assert (report.found, report.newer_links, report.links) == (0, 0, 2)
    assert len(adopted) == 1


async def test_a_record_that_was_anchored_and_has_no_chain_gets_no_new_one(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor, superuser_url: str
) -> None:
    await fill(record, settings, clock, actor, rounds=1)
    await run_as_superuser(superuser_url, "DELETE FROM links", "UPDATE cases SET as_of = as_of + 1")
    async with open_record(settings, clock=clock) as reopened:
        assert [warning.event for warning in reopened.warnings] == [CHAIN_GONE]
        assert str(settings.anchors_file) in reopened.warnings[0].detail
        async with reopened.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM links") == 0
        await commit_entries(reopened, [make_entry(reopened, 902)], actor)
    async with open_record(settings, clock=clock) as reopened:
        report = await audit(reopened, settings)
        async with reopened.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM links") == 1
    assert report.found > 10
    assert "missing" in report.findings[0].what


async def test_who_audits_writes_nothing_and_takes_no_key_ring(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    await fill(record, settings, clock, actor, rounds=1)
    settings.key_ring.unlink()
    async with open_reader(settings) as reader:
        report = await audit_record(reader, settings.anchors_file, public_key_of(settings))
        async with reader.connection() as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("INSERT INTO documents SELECT 'a', 'b', 'c', 'job', 'd', now()")
    assert (report.found, report.anchors) == (0, 2)
    assert not settings.key_ring.exists()


async def test_an_audit_adopts_nothing(
    record: Record, settings: Settings, actor: Actor, superuser_url: str, tmp_path: Path
) -> None:
    await commit_entries(record, [make_entry(record, 1)], actor)
    await run_as_superuser(superuser_url, "DELETE FROM links")
    async with open_reader(settings) as reader:
        report = await audit_record(reader, tmp_path / "none.jsonl", bytes(32))
    async with record.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM links") == 0
    assert (report.found, report.rows) == (5, 5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("DELETE FROM schema_migrations WHERE number = 31", "older than this version.*instant-credit migrate"),
        (
            "INSERT INTO schema_migrations VALUES (9000, 'later', repeat('a', 64), now())",
            "newer than this version, by migration 9000",
        ),
        (
            "UPDATE schema_migrations SET checksum = repeat('a', 64) WHERE number = 31",
            "0031_.* was changed after it was applied",
        ),
    ],
)
async def test_a_record_of_another_version_is_not_audited(
    other_settings: Settings, cluster: Cluster, change: str, says: str
) -> None:
    assert other_settings.database_url is not None
    name = other_settings.database_url.split("/")[-1].split("?")[0]
    await run_as_superuser(cluster.url(SUPERUSER, name), change)
    with pytest.raises(Refused, match=says):
        async with open_reader(other_settings):
            pass
    assert not other_settings.key_ring.exists()


async def test_where_nothing_was_recorded_nothing_is_made_to_audit_it(
    fresh: str, cluster: Cluster, settings: Settings, tmp_path: Path
) -> None:
    empty = replace(settings, database_url=cluster.url(APP, fresh), database_owner_url=None)
    for found in (empty, Settings(home=tmp_path / "nowhere", key_ring=tmp_path / "ring.json")):
        with pytest.raises(Refused, match="there is no record"):
            async with open_reader(found):
                pass
    assert not (tmp_path / "nowhere").exists()


async def test_an_audit_without_anchors_checks_the_chain_and_counts_all_of_it_as_newer(
    record: Record, settings: Settings, actor: Actor, superuser_url: str, tmp_path: Path
) -> None:
    await commit_entries(record, [make_entry(record, 1)], actor)
    report = await audit_record(record, tmp_path / "none.jsonl", bytes(32))
    assert (report.found, report.anchors, report.newer_links, report.newer_rows) == (0, 0, 1, 5)
    await run_as_superuser(superuser_url, "UPDATE cases SET as_of = as_of + 1")
    assert (await audit_record(record, tmp_path / "none.jsonl", bytes(32))).found == 2


async def test_a_link_that_a_superuser_slips_in_below_the_first_is_found(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor, superuser_url: str
) -> None:
    await fill(record, settings, clock, actor, rounds=1)
    await run_as_superuser(
        superuser_url,
        "ALTER TABLE links DROP CONSTRAINT links_seq_check",
        "INSERT INTO links SELECT writer_id, -1, link, leaves, recorded_at FROM links LIMIT 1",
    )
    report = await audit(record, settings)
    await run_as_superuser(superuser_url, "DELETE FROM links WHERE seq < 0", "ALTER TABLE links ADD CHECK (seq >= 0)")
    assert report.found >= 1
    assert any("are stored" in finding.what for finding in report.findings)


async def test_anchors_are_in_order_of_time_and_of_links(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    await fill(record, settings, clock, actor)
    clock.advance(timedelta(seconds=1))
    assert await anchor(record, settings) == 1
    assert await anchor(record, settings) == 0
    report = await audit(record, settings)
    assert (report.found, report.anchors, report.newer_links) == (0, 5, 0)
