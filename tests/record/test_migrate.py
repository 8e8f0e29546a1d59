import asyncio
import itertools
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from instant_credit.access.actors import Actor
from instant_credit.errors import Refused
from instant_credit.record.audit import audit_record
from instant_credit.record.chain import leaf_of
from instant_credit.record.embedded import APP, OWNER, SUPERUSER, Cluster
from instant_credit.record.migrate import Migration, choose_pending, migrate, read_migrations
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import migrations_folder, read_sql
from instant_credit.record.writers import Writer
from instant_credit.settings import Settings

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def make_migration(number: int, checksum: str) -> Migration:
    return Migration(number=number, name="name", text="", checksum=checksum)


def test_what_is_not_applied_is_pending() -> None:
    shipped = (make_migration(1, "a"), make_migration(2, "b"))
    assert choose_pending(shipped, {}) == shipped
    assert choose_pending(shipped, {1: "a"}) == shipped[1:]
    assert choose_pending(shipped, {1: "a", 2: "b"}) == ()


def test_a_database_that_is_ahead_is_left_alone() -> None:
    assert choose_pending((make_migration(1, "a"),), {1: "a", 2: "from a later version"}) == ()


def test_a_changed_past_is_refused() -> None:
    with pytest.raises(Refused, match="0001_name was changed after it was applied"):
        choose_pending((make_migration(1, "edited"),), {1: "a"})


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (["0001_one.sql", "0001_other.sql"], "0001 is there twice"),
        (["1_one.sql"], "not named"),
        (["0001_One.sql"], "not named"),
    ],
)
def test_a_folder_with_a_number_twice_or_odd_names_is_refused(tmp_path: Path, names: list[str], match: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(Refused, match=match):
        read_migrations(tmp_path)


def test_the_shipped_migrations_are_in_order() -> None:
    shipped = read_migrations(migrations_folder())
    numbers = [migration.number for migration in shipped]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1


@pytest.mark.anyio
async def test_migrating_again_applies_nothing(cluster: Cluster, fresh: str) -> None:
    urls = cluster.url(OWNER, fresh), cluster.url(APP, fresh)
    assert len(await migrate(*urls, NOW)) == len(read_migrations(migrations_folder()))
    assert await migrate(*urls, NOW) == ()


@pytest.mark.anyio
async def test_of_many_that_migrate_at_once_one_does(cluster: Cluster, fresh: str) -> None:
    urls = cluster.url(OWNER, fresh), cluster.url(APP, fresh)
    applied = await asyncio.gather(*(migrate(*urls, NOW) for _ in range(6)))
    assert sorted(map(len, applied)) == [0] * 5 + [len(read_migrations(migrations_folder()))]


@pytest.mark.anyio
async def test_a_migration_that_fails_leaves_the_ones_before_it(cluster: Cluster, fresh: str, tmp_path: Path) -> None:
    urls = cluster.url(OWNER, fresh), cluster.url(APP, fresh)
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE instant_credit.one (id integer)")
    (tmp_path / "0002_two.sql").write_text("CREATE TABLE instant_credit.two (id integer); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(*urls, NOW, tmp_path)
    (tmp_path / "0002_two.sql").write_text("CREATE TABLE instant_credit.two (id integer)")
    assert await migrate(*urls, NOW, tmp_path) == ("0002_two",)


@pytest.mark.anyio
async def test_a_migration_waits_for_a_lock_for_a_bounded_time(cluster: Cluster, fresh: str, tmp_path: Path) -> None:
    told = "CREATE TABLE instant_credit.told AS SELECT current_setting('lock_timeout') AS lock_timeout"
    (tmp_path / "0001_told.sql").write_text(told)
    await migrate(cluster.url(OWNER, fresh), cluster.url(APP, fresh), NOW, tmp_path)
    connection = await asyncpg.connect(cluster.url(SUPERUSER, fresh))
    assert await connection.fetchval("SELECT lock_timeout FROM instant_credit.told") == "10s"
    await connection.close()


@pytest.mark.anyio
async def test_every_migration_waits_for_locks_and_runs_for_a_bounded_time(
    cluster: Cluster, fresh: str, tmp_path: Path
) -> None:
    kept = "SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement"
    (tmp_path / "0001_one.sql").write_text(f"CREATE TABLE instant_credit.one AS {kept}")
    (tmp_path / "0002_two.sql").write_text(f"CREATE TABLE instant_credit.two AS {kept}")
    await migrate(cluster.url(OWNER, fresh), cluster.url(APP, fresh), NOW, tmp_path)
    connection = await asyncpg.connect(cluster.url(OWNER, fresh))
    for table in ("one", "two"):
        assert tuple(await connection.fetchrow(f"SELECT * FROM instant_credit.{table}")) == ("10s", "2min")  # noqa: S608 names out of the catalogue
    await connection.close()


def test_no_shipped_migration_sets_another_timeout() -> None:
    # A function may have one of its own; a statement may not.
    assert [one.name for one in read_migrations(migrations_folder()) if re.search(r"timeout.*;", one.text)] == []


@pytest.mark.anyio
async def test_an_edited_migration_is_refused(cluster: Cluster, fresh: str, tmp_path: Path) -> None:
    urls = cluster.url(OWNER, fresh), cluster.url(APP, fresh)
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE instant_credit.one (id integer)")
    await migrate(*urls, NOW, tmp_path)
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE instant_credit.one (id bigint)")
    with pytest.raises(Refused, match="restore its text"):
        await migrate(*urls, NOW, tmp_path)


@pytest.mark.anyio
async def test_a_login_that_may_not_set_up_is_told_what_to_run(cluster: Cluster, fresh: str, tmp_path: Path) -> None:
    async def as_superuser(*statements: str) -> None:
        connection = await asyncpg.connect(cluster.url(SUPERUSER, fresh))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    login = f"login_{uuid4().hex}"
    await as_superuser(f"CREATE ROLE {login} LOGIN PASSWORD 'secret'")
    url = cluster.url(APP, fresh).replace(f"{APP}:{cluster.passwords.app}", f"{login}:secret")
    with pytest.raises(Refused, match="As an administrator run: CREATE ROLE instant_credit_owner NOLOGIN"):
        await migrate(url, url, NOW)
    # What the message says is enough.
    await as_superuser(
        f"GRANT instant_credit_owner, instant_credit_app, instant_credit_reader TO {login}",
        f"GRANT CREATE ON DATABASE {fresh} TO instant_credit_owner",
    )
    settings = Settings(home=tmp_path, database_url=url, key_ring=tmp_path / "ring.json")
    async with open_record(settings) as record, record.connection() as connection:
        assert await connection.fetchval("SELECT current_user") == APP
    await as_superuser(f"DROP OWNED BY {login}", f"DROP ROLE {login}")


@pytest.mark.anyio
@pytest.mark.parametrize("has_chain", [True, False])
async def test_events_of_master_keys_of_before_they_were_chained_are_chained(
    cluster: Cluster, fresh: str, tmp_path: Path, actor: Actor, has_chain: bool
) -> None:
    """Of every length of text that MessagePack writes otherwise, and of whole and broken seconds."""
    urls = cluster.url(OWNER, fresh), cluster.url(APP, fresh)
    for path in sorted(migrations_folder().glob("*.sql")):
        if int(path.name[:4]) < 47:
            shutil.copy(path, tmp_path)
    await migrate(*urls, NOW, tmp_path)
    connection = await asyncpg.connect(urls[0])
    await connection.execute("SET search_path = instant_credit")
    for number, (length, at) in enumerate(itertools.product((1, 31, 32, 64), (NOW, NOW.replace(microsecond=7)))):
        await connection.execute(
            "INSERT INTO master_key_events VALUES ($1, 'retired', 'person', $2, $3)",
            f"key {number}".ljust(length, "k"),
            "\N{GRINNING FACE}" * length,
            at,
        )
    if has_chain:
        row = ("a" * 64, "release", b"body", "job", "test", NOW)
        writer = Writer(uuid4())
        columns = [[value] for value in row]
        statement, leaves = read_sql("insert_documents"), [leaf_of("documents", row)]
        await writer.append(connection, statement, columns, leaves, NOW)
    await connection.close()
    settings = Settings(
        home=tmp_path, database_url=urls[1], database_owner_url=urls[0], key_ring=tmp_path / "keys" / "ring.json"
    )
    async with open_record(settings) as record:
        report = await audit_record(record, settings.anchors_file, bytes(32))
    assert (report.found, report.findings) == (0, ())
    assert (report.rows, report.links) == ((9, 9) if has_chain else (8, 1))
