"""Partitions by month: what each of them holds to, what decides races across them, and that one id is looked for in one of them."""

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.record.commit import commit_entries, commit_events, find_answer
from instant_credit.record.embedded import APP, OWNER, READER, SUPERUSER, Cluster
from instant_credit.record.ids import derive_id, span_of
from instant_credit.record.migrate import migrate
from instant_credit.record.partitions import make_months_ahead
from instant_credit.record.pool import Record, open_record
from instant_credit.record.reads import iterate_cases, read_decision, read_monitoring
from instant_credit.record.rows import Entry
from instant_credit.record.sealing import bucket_of_person
from instant_credit.record.shipped import migrations_folder, read_sql
from instant_credit.settings import Settings
from tests.clock import FixedClock
from tests.conftest import run_apart
from tests.record.entries import make_entry, make_keyed

pytestmark = pytest.mark.anyio

PARENTS = ["cases", "decisions", "identities", "repayment_events"]
PARTITIONS = """
    SELECT parent.relname AS parent, child.relname AS name, child.oid
    FROM pg_inherits JOIN pg_class AS parent ON parent.oid = inhparent JOIN pg_class AS child ON child.oid = inhrelid
    WHERE parent.relnamespace = 'instant_credit'::regnamespace AND child.relkind = 'r' ORDER BY child.relname
"""
# Statements that read by ids, with the partitions that they may touch: those of one month.
BY_ID = ["read_decision", "read_identity", "read_monitoring", "find_cases", "read_standing"]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def name_of(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.rpartition("/")[2].partition("?")[0]


def month_after(month: date, months: int) -> date:
    place = month.year * 12 + month.month - 1 + months
    return date(place // 12, place % 12 + 1, 1)


def make_entry_at(record: Record, number: int, at: datetime, **changes: Any) -> Entry:
    """An entry whose ids are of the instant `at`."""
    entry = make_entry(record, number)
    bucket = bucket_of_person(entry.person_id)
    ids = {kind: derive_id(bucket, at, f"{number}/{kind}".encode()) for kind in ("case", "decision")}
    return replace(entry, case_id=ids["case"], decision_id=ids["decision"], as_of=at.date(), recorded_at=at, **changes)


async def this_month(connection: Any) -> date:
    found: date = await connection.fetchval("SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date")
    return found


async def list_partitions(connection: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {parent: [] for parent in PARENTS}
    for row in await connection.fetch(PARTITIONS):
        found[row["parent"]].append(row["name"].removeprefix(row["parent"] + "_"))
    return found


async def drop_month(connection: Any, month: date) -> None:
    for parent in ("repayment_events", "identities", "decisions", "cases"):
        name = f"instant_credit.{parent}_{month:%Y_%m}"
        await connection.execute(f"ALTER TABLE instant_credit.{parent} DETACH PARTITION {name}; DROP TABLE {name}")


async def places_of(connection: Any, case_id: UUID) -> dict[str, str]:
    """By table, the partition that holds the rows of a Case."""
    return {
        parent: str(
            await connection.fetchval(
                f"SELECT tableoid::regclass::text FROM instant_credit.{parent} WHERE case_id = $1 LIMIT 1",  # noqa: S608 names out of the catalogue
                case_id,
            )
        ).removeprefix(f"instant_credit.{parent}_")
        for parent in PARENTS
    }


async def test_this_month_and_three_more_are_made_ahead(superuser_url: str) -> None:
    async with connected(superuser_url) as connection:
        month = await this_month(connection)
        wanted = {f"{month_after(month, ahead):%Y_%m}" for ahead in range(4)}
        for parent, names in (await list_partitions(connection)).items():
            assert wanted | {"earlier", "default"} <= set(names), parent


CONSTRAINTS = """
    SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE conrelid = $1::regclass
        AND contype IN ('c', 'p')
"""
INDEXES = """
    SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') AS definition FROM pg_index WHERE indrelid = $1::regclass
"""


async def test_every_partition_holds_to_the_constraints_and_indexes_of_its_parent(superuser_url: str) -> None:
    async with connected(superuser_url) as connection:

        async def ask(query: str, name: str) -> set[str]:
            return {row["definition"] for row in await connection.fetch(query, f"instant_credit.{name}")}

        async def list_checks(name: str) -> set[str]:
            found = await connection.fetch(CONSTRAINTS, f"instant_credit.{name}")
            return {row["conname"] for row in found if row["definition"].startswith("CHECK")}

        for row in await connection.fetch(PARTITIONS):
            parent, name = row["parent"], row["name"]
            assert await ask(CONSTRAINTS, name) == await ask(CONSTRAINTS, parent), name
            assert await list_checks(name) == await list_checks(parent) != set(), name
            own = {"btree (bucket, decision_id)"} if parent == "decisions" else set()
            assert await ask(INDEXES, name) == await ask(INDEXES, parent) | own, name


async def test_what_hangs_on_a_case_lies_in_the_partition_beside_it(superuser_url: str) -> None:
    async with connected(superuser_url) as connection:
        found = {
            (row["own"], row["other"])
            for row in await connection.fetch(
                "SELECT conrelid::regclass::text AS own, confrelid::regclass::text AS other FROM pg_constraint"
                " WHERE contype = 'f' AND pg_get_constraintdef(oid) LIKE 'FOREIGN KEY (bucket, case_id)%'"
            )
        }
        wanted = {
            (f"instant_credit.{row['name']}", f"instant_credit.{row['name'].replace(row['parent'], 'cases', 1)}")
            for row in await connection.fetch(PARTITIONS)
            if row["parent"] != "cases"
        }
    assert wanted <= found


async def test_a_decisions_id_is_unique_in_every_partition(superuser_url: str) -> None:
    async with connected(superuser_url) as connection:
        found = await connection.fetch(
            "SELECT indrelid::regclass::text AS name FROM pg_index"
            " WHERE indisunique AND pg_get_indexdef(indexrelid) LIKE '%btree (bucket, decision_id)'"
        )
        wanted = [row["name"] for row in await connection.fetch(PARTITIONS) if row["parent"] == "decisions"]
    assert sorted(row["name"] for row in found) == sorted(f"instant_credit.{name}" for name in wanted)


@pytest.mark.parametrize(
    "change", ["UPDATE {table} SET actor_id = 'other'", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"]
)
async def test_not_even_the_owner_changes_a_fact_by_naming_its_partition(
    cluster: Cluster, empty_database: str, change: str
) -> None:
    async with connected(cluster.url(OWNER, empty_database)) as connection:
        for row in await connection.fetch(PARTITIONS):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await connection.execute(change.format(table=f"instant_credit.{row['name']}"))


async def test_nobody_but_the_owner_may_do_anything_with_a_partition_by_itself(
    cluster: Cluster, empty_database: str
) -> None:
    for role in (APP, READER):
        async with connected(cluster.url(role, empty_database)) as connection:
            found = await connection.fetch(
                f"SELECT name FROM ({PARTITIONS}) AS partitions"  # noqa: S608 a constant of this file
                " WHERE has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"
            )
        assert found == []


async def test_the_app_makes_the_next_months_and_no_others(record: Record) -> None:
    assert await make_months_ahead(record) == 0
    async with record.connection() as connection:
        for call in ("make_month('2031-01-01')", "add_partitions('mine', 'DEFAULT')"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SELECT instant_credit.{call}")


async def test_the_function_that_the_app_may_call_is_the_owners_and_takes_nothing(superuser_url: str) -> None:
    async with connected(superuser_url) as connection:
        found = await connection.fetch(
            "SELECT proname, pronargs, proowner::regrole::text AS owner, array_to_string(proconfig, ' ') AS config"
            " FROM pg_proc WHERE pronamespace = 'instant_credit'::regnamespace AND prosecdef AND proname LIKE 'make%'"
        )
    assert [(row["proname"], row["pronargs"], row["owner"]) for row in found] == [("make_next_months", 0, OWNER)]
    assert "search_path=pg_catalog, pg_temp" in found[0]["config"]
    assert "lock_timeout=500ms" in found[0]["config"]


async def test_a_server_makes_a_month_that_is_missing(other_settings: Settings, cluster: Cluster, actor: Actor) -> None:
    async with connected(cluster.url(SUPERUSER, name_of(other_settings))) as connection:
        month = month_after(await this_month(connection), 2)
        async with open_record(other_settings) as record:
            await drop_month(connection, month)
            assert await make_months_ahead(record) == 0
            at = datetime(month.year, month.month, 5, tzinfo=UTC)
            entry = make_entry_at(record, 1, at)
            await commit_entries(record, [entry], actor)
            assert await places_of(connection, entry.case_id) == dict.fromkeys(PARENTS, f"{month:%Y_%m}")


async def test_a_command_makes_a_month_that_is_missing(other_settings: Settings, cluster: Cluster) -> None:
    async with connected(cluster.url(SUPERUSER, name_of(other_settings))) as connection:
        month = month_after(await this_month(connection), 3)
        await drop_month(connection, month)
        async with open_record(other_settings):
            pass
        assert all(f"{month:%Y_%m}" in names for names in (await list_partitions(connection)).values())


async def test_a_lock_that_is_held_keeps_a_month_missing_and_nobody_waiting(
    other_settings: Settings, cluster: Cluster
) -> None:
    async with (
        connected(cluster.url(SUPERUSER, name_of(other_settings))) as connection,
        open_record(other_settings) as record,
    ):
        await drop_month(connection, await this_month(connection))
        async with connection.transaction():
            await connection.execute("LOCK TABLE instant_credit.decisions_default IN ACCESS SHARE MODE")
            assert await make_months_ahead(record) == 1
        assert await make_months_ahead(record) == 0


async def test_what_no_month_was_made_for_is_recorded_read_and_told(
    other_settings: Settings, cluster: Cluster, actor: Actor
) -> None:
    async with (
        connected(cluster.url(SUPERUSER, name_of(other_settings))) as connection,
        open_record(other_settings) as record,
    ):
        month = month_after(await this_month(connection), 1)
        await drop_month(connection, month)
        entry = make_entry_at(record, 1, datetime(month.year, month.month, 5, tzinfo=UTC))
        await commit_entries(record, [entry], actor)
        assert await places_of(connection, entry.case_id) == dict.fromkeys(PARENTS, "default")
        assert await make_months_ahead(record) == 1
        (again,) = await commit_entries(record, [entry], actor)
        assert (again.kind, again.answer) == ("existing", entry.answer)
        assert len([case async for case in iterate_cases(record, "tape")]) == 1


async def test_tapes_of_years_ago_are_recorded_apart_from_the_months(
    record: Record, superuser_url: str, actor: Actor
) -> None:
    entry = make_entry(record, 1)
    await commit_entries(record, [entry], actor)
    async with connected(superuser_url) as connection:
        assert await places_of(connection, entry.case_id) == dict.fromkeys(PARENTS, "earlier")


async def test_what_stands_is_found_across_months(record: Record, superuser_url: str, actor: Actor) -> None:
    """A retry of an idempotency key and a row of a tape find the first one, whatever month the second one is of."""
    async with connected(superuser_url) as connection:
        month = await this_month(connection)
    days = [datetime(at.year, at.month, 5, tzinfo=UTC) for at in (month, month_after(month, 1))]
    keyed = make_keyed(record, 1, "key")
    told = {
        name: getattr(keyed, name) for name in ("client_id", "idempotency_key", "body_mac", "natural_key", "events")
    }
    (first, second) = (make_entry_at(record, number, at, **told) for number, at in enumerate(days))
    row = make_entry_at(record, 2, days[0])
    same_row = replace(
        row,
        case_id=derive_id(bucket_of_person(row.person_id), days[1], b"case"),
        decision_id=derive_id(bucket_of_person(row.person_id), days[1], b"decision"),
    )
    await commit_entries(record, [first, row], actor)
    found = await commit_entries(record, [same_row, second], actor)
    assert [(one.kind, one.case_id, one.answer) for one in found] == [
        ("existing", row.case_id, row.answer),
        ("existing", first.case_id, first.answer),
    ]
    answer = await find_answer(record, "client", "key")
    assert answer is not None
    assert answer.answer == first.answer


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ("decision_id = overlay(decision_id::text PLACING '01' FROM 35)::uuid", asyncpg.UniqueViolationError),
        ("case_id = overlay(case_id::text PLACING '01' FROM 35)::uuid", asyncpg.UniqueViolationError),
        ("decision_id = overlay(decision_id::text PLACING '0001' FROM 1)::uuid", asyncpg.CheckViolationError),
    ],
)
async def test_a_case_is_decided_once_and_an_id_is_of_one_decision(
    record: Record, superuser_url: str, actor: Actor, change: str, refused: type[Exception]
) -> None:
    await commit_entries(record, [make_entry(record, 1)], actor)
    column, _, value = change.partition(" = ")
    columns = (
        "bucket, decision_id, case_id, release_hash, client_id, outcome, sealed_decision, sealed_answer, stage_ns, actor_kind,"
        " actor_id, recorded_at"
    )
    chosen = columns.replace(column, value, 1)
    async with connected(superuser_url) as connection:
        await connection.execute("SET session_replication_role = replica")
        with pytest.raises(refused):
            await connection.execute(
                f"INSERT INTO instant_credit.decisions ({columns}) SELECT {chosen} FROM instant_credit.decisions"  # noqa: S608 texts of this file
            )


async def test_crossing_commits_never_wait_for_each_other_in_a_circle(
    record: Record, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, rows and persons of these groups cross in every order; a deadlock would leave as `Unavailable`."""
    monkeypatch.setattr("instant_credit.record.commit._LOST_RACES", (asyncpg.UniqueViolationError,))
    chance = random.Random(7)
    groups = []
    for turn in range(12):
        tape = [replace(make_entry(record, number), recorded_at=record.clock.now()) for number in range(12)]
        keyed = [make_keyed(record, 100 * turn + number + 1_000, f"key {number}") for number in range(12)]
        group = [*tape, *keyed]
        chance.shuffle(group)
        groups.append(group)
    found = await asyncio.gather(*(commit_entries(record, group, actor) for group in groups))
    kinds = [one.kind for group in found for one in group]
    assert kinds.count("recorded") == 24


def write_literal(value: Any) -> str:
    """A value as an SQL literal; only what this file makes up."""
    if isinstance(value, list):
        return "'{" + ",".join("NULL" if one is None else f'"{one}"' for one in value) + "}'"
    return f"'{value}'"


async def explain(connection: Any, statement: str, arguments: list[Any]) -> set[str]:
    """Names of the tables that a statement may touch as it is planned once for all arguments and pruned when it starts."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE told AS {read_sql(statement)}")
    call = ", ".join(write_literal(argument) for argument in arguments)
    (plan,) = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE told ({call})"))
    await connection.execute("DEALLOCATE told")

    def names(node: dict[str, Any]) -> set[str]:
        own = {node["Relation Name"]} if "Relation Name" in node else set()
        return own.union(*(names(inner) for inner in node.get("Plans", [])))

    return names(plan["Plan"])


@pytest.mark.parametrize("statement", BY_ID)
async def test_a_look_up_by_id_touches_the_partitions_of_one_month(record: Record, statement: str) -> None:
    async with record.connection() as connection:
        month = month_after(await this_month(connection), 1)
        at = datetime(month.year, month.month, 1, tzinfo=UTC)
        case_id, decision_id = derive_id(7, at, b"case"), derive_id(7, at, b"decision")
        span = span_of([decision_id])
        arguments = {
            "read_decision": [7, decision_id, *span],
            "read_identity": [7, case_id],
            "read_monitoring": [7, case_id],
            "find_cases": [[7], [case_id], *span],
            "read_standing": [[7, 7], [decision_id, None], [None, case_id], *span],
        }[statement]
        touched = await explain(connection, statement, arguments)
    partitioned = {name for name in touched if name.startswith(tuple(PARENTS))}
    assert partitioned
    assert {name[-8:] for name in partitioned} == {f"_{month:%Y_%m}"}


async def test_the_look_up_of_every_commit_touches_no_partition(record: Record) -> None:
    async with record.connection() as connection:
        person = "\\\\x" + "07" * 32
        touched = await explain(
            connection, "look_up_entries", [[7], [person], ["client"], ["key"], ["book"], ["row"], [1]]
        )
    assert touched == {"person_keys", "idempotency_keys", "natural_keys", "person_applications"}


async def test_an_insert_touches_the_partitions_of_its_rows(record: Record, superuser_url: str, actor: Actor) -> None:
    async with connected(superuser_url) as connection:
        month = await this_month(connection)
        entry = make_entry_at(record, 1, datetime(month.year, month.month, 2, tzinfo=UTC))
        await commit_entries(record, [entry], actor)
        assert await places_of(connection, entry.case_id) == dict.fromkeys(PARENTS, f"{month:%Y_%m}")
    assert entry.decision_id is not None
    stored = await read_decision(record, entry.decision_id)
    assert stored is not None
    assert stored.case == entry.case
    assert await read_monitoring(record, entry.case_id) == entry.monitoring
    later = replace(entry.events[0], event_id=derive_id(entry.person_id[0], datetime(2030, 1, 1, tzinfo=UTC), b"event"))
    assert await commit_events(record, {entry.case_id: [later]}, actor, record.clock.now()) == 1


instants = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 bounds of a strategy with a zone
EDGES = [
    datetime(year, month, 1, tzinfo=UTC) + milliseconds * timedelta(milliseconds=1)
    for year in (1971, 2024, 2026, 2100)
    for month in (1, 3, 12)
    for milliseconds in (-1, 0)
]


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.lists(instants, min_size=30).map(lambda found: [*found, *EDGES]), st.integers(0, 255), st.binary())
def test_an_id_is_of_the_month_of_its_instant(
    cluster: Cluster, database: str, found: list[datetime], bucket: int, seed: bytes
) -> None:
    """The bounds that the database makes, against the calendar of Python."""
    row_ids = [derive_id(bucket, at, seed) for at in found]
    months = [date(at.year, at.month, 1) for at in found]

    async def ask() -> list[Any]:
        async with connected(cluster.url(SUPERUSER, database)) as connection:
            rows: list[Any] = await connection.fetch(
                "SELECT instant_credit.month_of_id(id) AS month,"
                " instant_credit.first_id_of_month(month) <= id AND id < instant_credit.first_id_of_month(following) AS is_within"
                " FROM unnest($1::uuid[], $2::date[], $3::date[]) AS wanted (id, month, following)",
                row_ids,
                months,
                [month_after(month, 1) for month in months],
            )
            return rows

    rows = run_apart(ask())
    assert [row["month"] for row in rows] == months
    assert all(row["is_within"] for row in rows)


# Rows as the schema of migration 0013 holds them: a tape of years ago, and applications of this month with their keys.
OLD_ROWS = """
    CREATE TEMPORARY TABLE made AS
    SELECT
        number,
        (number % 256)::smallint AS bucket,
        number > 300 AS is_application,
        lpad(to_hex(CASE WHEN number > 300 THEN (extract(epoch FROM now()) * 1000)::bigint ELSE 1300000000000 + number END), 12, '0')
            AS milliseconds,
        'now'::timestamptz AS recorded_at
    FROM generate_series(1, 400) AS number;

    INSERT INTO instant_credit.cases
    SELECT bucket, (milliseconds || '7' || lpad(to_hex(number), 19, '0'))::uuid, sha256(number::text::bytea),
        gen_random_uuid(), CASE WHEN is_application THEN 'applications' ELSE 'tape' END, 'personal_loan', repeat('a', 64), '2011-03-13',
        CASE WHEN is_application THEN NULL ELSE 'row ' || number END, sha256(number::text::bytea), NULL, 'job', 'old', recorded_at, 2.5
    FROM made;

    INSERT INTO instant_credit.identities
    SELECT bucket, case_id, person_id, sha256(case_id::text::bytea), actor_kind, actor_id, recorded_at FROM instant_credit.cases;

    INSERT INTO instant_credit.decisions
    SELECT bucket, overlay(case_id::text PLACING 'ffff' FROM 25)::uuid, case_id, repeat('b', 64), 'client', 'refer', sha256('decision'),
        NULL, ARRAY[1, 2], actor_kind, actor_id, recorded_at
    FROM instant_credit.cases;

    INSERT INTO instant_credit.idempotency_keys
    SELECT 'client', decision_id::text, sha256('body'), bucket, decision_id, actor_kind, actor_id, recorded_at
    FROM instant_credit.decisions WHERE decision_id > '02000000-0000-0000-0000-000000000000' OR bucket > 100;

    INSERT INTO instant_credit.repayment_events
    SELECT bucket, case_id, gen_random_uuid(), 'paid', 100 * day, date '2012-01-01' + day, date '2012-02-01' + day, actor_kind, actor_id,
        recorded_at
    FROM instant_credit.cases, generate_series(1, 3) AS day WHERE natural_key IS NOT NULL
"""
OLD_TABLES = [*PARENTS, "idempotency_keys"]


async def read_rows(connection: Any) -> dict[str, list[str]]:
    return {
        table: [
            row["told"]
            for row in await connection.fetch(
                f"SELECT jsonb_strip_nulls(to_jsonb(told))::text AS told FROM instant_credit.{table} AS told ORDER BY 1"  # noqa: S608 names of this file
            )
        ]
        for table in OLD_TABLES
    }


async def test_what_was_recorded_before_is_all_there_afterwards(
    cluster: Cluster, fresh: str, tmp_path: Path, clock: FixedClock, actor: Actor
) -> None:
    urls = cluster.url(OWNER, fresh), cluster.url(APP, fresh)
    for path in sorted(migrations_folder().glob("*.sql")):
        if path.name < "0014":
            shutil.copy(path, tmp_path)
    await migrate(*urls, clock.now(), tmp_path)
    async with connected(cluster.url(SUPERUSER, fresh)) as connection:
        await connection.execute(OLD_ROWS)
        before = await read_rows(connection)
        await migrate(*urls, clock.now())
        assert await read_rows(connection) == before
        assert {table: len(rows) for table, rows in before.items()} == {
            "cases": 400, "identities": 400, "decisions": 400, "repayment_events": 900, "idempotency_keys": 199,
        }  # fmt: skip
        natural_keys = await connection.fetch(
            "SELECT bucket, book, natural_key, case_id FROM instant_credit.natural_keys"
            " EXCEPT SELECT bucket, book, natural_key, case_id FROM instant_credit.cases"
        )
        assert natural_keys == []
        assert await connection.fetchval("SELECT count(*) FROM instant_credit.natural_keys") == 300
        month = await this_month(connection)
        made = await list_partitions(connection)
        # This month's rows stay with what was there before, so its own partition is not made.
        assert all(f"{month:%Y_%m}" not in names for names in made.values())
        assert all(f"{month_after(month, 1):%Y_%m}" in names for names in made.values())
        assert {row["table"] for row in await connection.fetch(
            "SELECT DISTINCT tableoid::regclass::text AS table FROM instant_credit.cases"
        )} == {"instant_credit.cases_earlier"}  # fmt: skip
        old = await connection.fetchrow(
            "SELECT bucket, case_id, person_id FROM instant_credit.cases WHERE natural_key = 'row 7'"
        )
    settings = Settings(
        home=tmp_path / "home", database_url=urls[1], database_owner_url=urls[0], key_ring=tmp_path / "ring.json"
    )
    async with open_record(settings, clock=clock) as record:
        assert await make_months_ahead(record) == 0
        number = next(one for one in range(10_000) if make_entry(record, one).person_id[0] == old["bucket"])
        (found,) = await commit_entries(record, [replace(make_entry(record, number), natural_key="row 7")], actor)
        assert (found.kind, found.case_id) == ("existing", old["case_id"])


async def test_a_server_plans_each_statement_once(settings: Settings, actor: Actor, clock: FixedClock) -> None:
    async with open_record(settings, clock=clock, plan_cache_mode="force_generic_plan") as record:
        for number in range(3):
            entry = make_keyed(record, number, f"key {number}")
            await commit_entries(record, [entry], actor)
            assert entry.decision_id is not None
            assert await read_decision(record, entry.decision_id) is not None
            assert await find_answer(record, "client", f"key {number}") is not None
        plans = "SELECT sum(custom_plans)::integer FROM pg_prepared_statements WHERE statement = ANY($1)"
        names = ("look_up_entries", "insert_entries", "read_decision", "find_first_key", "read_standing")
        async with record.connection() as connection:
            assert await connection.fetchval(plans, [read_sql(name) for name in names]) == 0
