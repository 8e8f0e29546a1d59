"""Fixtures that every room's tests share: a real Postgres, one database a worker, empty for every test.

`cluster` is an embedded Postgres that all xdist workers share. Each worker clones its database from a migrated template. `settings`,
`environ` and `record` point to that database and find it without rows.
"""

import asyncio
import atexit
import fcntl
import gc
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import settings as hypothesis_settings

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.errors import Conflict
from instant_credit.record.embedded import APP, OWNER, SUPERUSER, Cluster, destroy_cluster, use_cluster
from instant_credit.record.migrate import migrate
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import Settings
from tests.budget import IS_PROVING, write_proof
from tests.clock import FixedClock
from tests.shares import deal_shares

TEMPLATE = "template_instant_credit"

# Two busy cores make honest examples slow now and then; a deadline would only measure that.
hypothesis_settings.register_profile("suite", deadline=None, print_blob=True)
hypothesis_settings.load_profile("suite")

# A job in the background is started with these ignored, and all that it starts would ignore them too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

T = TypeVar("T")


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own, whatever loop the test itself uses."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin each worker's share; all others stay in their random order."""
    items[:] = deal_shares(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_sessionstart() -> None:
    """Modules and tests stay until the end: no collection of garbage goes through them, which takes half a second and more."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
    atexit.register(gc.unfreeze)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Under `make prove`, write what each proof ran into var/proofs."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined] # pluggy's result
    if IS_PROVING and report.when == "call":
        write_proof(item, report)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all workers of this run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def cluster(shared_folder: Path) -> Iterator[Cluster]:
    """A running embedded Postgres, shared by all workers; the last one out deletes it."""
    home = shared_folder / "cluster"
    with use_cluster(home) as running:
        yield running
    with suppress(Conflict):
        destroy_cluster(home)


@pytest.fixture(scope="session")
def database(cluster: Cluster, shared_folder: Path) -> str:
    """Name of this worker's own migrated database."""
    name = f"worker_{uuid4().hex}"
    _make_database(cluster, shared_folder, name)
    return name


@pytest.fixture
def empty_database(cluster: Cluster, database: str) -> str:
    """This worker's database, without rows."""
    run_apart(_delete_rows(cluster.url(SUPERUSER, database)))
    return database


@pytest.fixture
def superuser_url(cluster: Cluster, empty_database: str) -> str:
    """For tests that look behind the roles or tamper with rows."""
    return cluster.url(SUPERUSER, empty_database)


@pytest.fixture
def settings(cluster: Cluster, empty_database: str, tmp_path: Path) -> Settings:
    """Settings with this worker's empty database and a home and key ring of the test's own."""
    return Settings(
        home=tmp_path / "home",
        database_url=cluster.url(APP, empty_database),
        database_owner_url=cluster.url(OWNER, empty_database),
        key_ring=tmp_path / "keys" / "ring.json",
    )


@pytest.fixture
def other_settings(cluster: Cluster, shared_folder: Path, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a second record: an empty database, a home and a key ring of its own."""
    name = f"other_{uuid4().hex}"
    _make_database(cluster, shared_folder, name)
    yield Settings(
        home=tmp_path / "other" / "home",
        database_url=cluster.url(APP, name),
        database_owner_url=cluster.url(OWNER, name),
        key_ring=tmp_path / "other" / "keys" / "ring.json",
    )
    run_apart(_drop_database(cluster, name))


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    """The environment that makes a process of ours use `settings`; add it to `os.environ`."""
    assert settings.database_url is not None
    assert settings.database_owner_url is not None
    return {
        "INSTANT_CREDIT_HOME": str(settings.home),
        "INSTANT_CREDIT_KEY_RING": str(settings.key_ring),
        "DATABASE_URL": settings.database_url,
        "DATABASE_OWNER_URL": settings.database_owner_url,
    }


@pytest.fixture
def blank_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts of reports come out blank: drawing them takes seconds, and tests of the report do."""
    from matplotlib.figure import Figure

    def save_blank(_: Figure, file: TextIO, **_more: object) -> None:
        file.write('<svg width="1pt" viewBox="0 0 1 1"></svg>')

    monkeypatch.setattr(Figure, "savefig", save_blank)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def actor() -> Actor:
    return Actor(kind=ActorKind.JOB, id="test")


@pytest.fixture
async def record(settings: Settings, clock: FixedClock) -> AsyncIterator[Record]:
    """An open record without rows, whose clock stands still."""
    async with open_record(settings, clock=clock) as opened:
        yield opened


def _make_database(cluster: Cluster, shared_folder: Path, name: str) -> None:
    with (shared_folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run_apart(_clone_template(cluster, name))


async def _drop_database(cluster: Cluster, name: str) -> None:
    connection = await asyncpg.connect(cluster.url(SUPERUSER, "postgres"))
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def _clone_template(cluster: Cluster, name: str) -> None:
    connection = await asyncpg.connect(cluster.url(SUPERUSER, "postgres"))
    try:
        found = await connection.fetchval("SELECT datistemplate FROM pg_database WHERE datname = $1", TEMPLATE)
        if not found:
            await connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
            await connection.execute(f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
            await migrate(cluster.url(OWNER, TEMPLATE), cluster.url(APP, TEMPLATE), datetime.now(UTC))
            await connection.execute(f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER}")
    finally:
        await connection.close()


async def _delete_rows(url: str) -> None:
    """Delete all rows; facts refuse that, so the triggers rest in this one session."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname IN ('instant_credit', 'sealed_keys') AND tablename <> 'schema_migrations'"
        )
        statements = ["SET session_replication_role = replica", *(f"DELETE FROM {table['name']}" for table in tables)]  # noqa: S608 names out of the catalogue
        await connection.execute("; ".join(statements))
    finally:
        await connection.close()
