"""Any Postgres by DATABASE_URL: a second embedded cluster stands for one that somebody else runs, and, where this machine has its
programs, a Postgres 15."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.record import embedded
from instant_credit.record.commit import commit_entries
from instant_credit.record.embedded import SUPERUSER, destroy_cluster, use_cluster
from instant_credit.record.installation import prepare_installation
from instant_credit.record.pool import Caution, open_record
from instant_credit.record.reads import iterate_cases
from instant_credit.settings import Settings
from tests.conftest import run_apart
from tests.record.entries import make_entry

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")


async def prepare_lender(superuser_url: str, *statements: str) -> None:
    """Somebody else's server: none of our roles, a database and a login of theirs."""
    connection = await asyncpg.connect(superuser_url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def use_record(settings: Settings, actor: Actor, numbers: range) -> list[bytes | None]:
    async with open_record(settings) as record:
        await commit_entries(record, [make_entry(record, number) for number in numbers], actor)
        async with record.connection() as connection:
            assert await connection.fetchval("SELECT current_user") == "instant_credit_app"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("DELETE FROM cases")
        return [case.case async for case in iterate_cases(record, "tape")]


FORGET = (
    "DROP DATABASE instant_credit",
    "DROP ROLE instant_credit_owner",
    "DROP ROLE instant_credit_app",
    "DROP ROLE instant_credit_reader",
)


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Cluster]:
    home = tmp_path_factory.mktemp("lender")
    with use_cluster(home) as running:
        run_apart(prepare_lender(running.url(SUPERUSER, "postgres"), *FORGET))
        yield running
    destroy_cluster(home)


def test_one_superuser_login_is_enough(lender: embedded.Cluster, tmp_path: Path, actor: Actor) -> None:
    run_apart(prepare_lender(lender.url(SUPERUSER, "postgres"), "CREATE DATABASE first"))
    url = lender.url(SUPERUSER, "first")
    settings = Settings(home=tmp_path, database_url=url, key_ring=tmp_path / "ring.json")
    assert len(asyncio.run(use_record(settings, actor, range(3)))) == 3
    assert len(asyncio.run(use_record(settings, actor, range(5)))) == 5
    (caution,) = asyncio.run(read_warnings(settings))
    assert caution.event == "record_not_append_only"
    assert "the server's login is a superuser" in caution.detail


def test_an_owner_login_lets_a_plain_login_in(lender: embedded.Cluster, tmp_path: Path, actor: Actor) -> None:
    run_apart(
        prepare_lender(
            lender.url(SUPERUSER, "postgres"),
            "CREATE ROLE theirs CREATEROLE LOGIN PASSWORD 'secret'",
            "CREATE ROLE serving LOGIN PASSWORD 'secret'",
            "CREATE DATABASE second OWNER theirs",
            # Roles are shared by the whole server: here another database may have made them already.
            "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'instant_credit_owner') THEN"
            " GRANT instant_credit_owner, instant_credit_app, instant_credit_reader TO theirs WITH ADMIN OPTION; END IF; END $$",
        )
    )
    login = f"{SUPERUSER}:{lender.passwords.superuser}"
    url = lender.url(SUPERUSER, "second")
    settings = Settings(
        home=tmp_path,
        database_url=url.replace(login, "serving:secret"),
        database_owner_url=url.replace(login, "theirs:secret"),
        key_ring=tmp_path / "ring.json",
    )
    assert len(asyncio.run(use_record(settings, actor, range(3)))) == 3
    assert asyncio.run(read_warnings(settings)) == ()
    run_apart(prepare_lender(lender.url(SUPERUSER, "postgres"), "GRANT instant_credit_app TO theirs WITH SET TRUE"))
    owner_serves = replace(settings, database_url=settings.database_owner_url)
    (caution,) = asyncio.run(read_warnings(owner_serves))
    assert caution.event == "record_not_append_only"
    assert "may become instant_credit_owner" in caution.detail
    # Once the schema is there, the plain login serves alone.
    alone = Settings(home=tmp_path, database_url=settings.database_url, key_ring=settings.key_ring)
    assert len(asyncio.run(use_record(alone, actor, range(4)))) == 4


@contextmanager
def running_15(folder: Path) -> Iterator[str]:
    """A Postgres 15 with the machine's own programs; yields its superuser URL."""
    with ExitStack() as stack:
        installation = prepare_installation(folder / "home")
        place = installation.place
        stack.callback(shutil.rmtree, place)
        identity = (
            {} if installation.run_as is None else {"user": installation.run_as.uid, "group": installation.run_as.gid}
        )
        data = str(place / "data15")

        def run(*command: str) -> None:
            subprocess.run(
                [str(POSTGRES_15 / command[0]), *command[1:]],
                check=True,
                cwd="/",
                stdout=subprocess.DEVNULL,
                env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
                **identity,  # type: ignore[call-overload] # uid and gid, or nothing
            )

        run("initdb", "-D", data, "-U", "lender", "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync")
        options = f"-k {place} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "start", "-w", "-s", "-D", data, "-l", str(place / "log15"), "-o", options)
        stack.callback(run, "pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", data)
        yield f"postgresql://lender@/postgres?host={place}&port=5432"


@pytest.mark.skipif(not (POSTGRES_15 / "postgres").exists(), reason="no Postgres 15 on this machine")
def test_postgres_15_does(tmp_path: Path, actor: Actor) -> None:
    with running_15(tmp_path) as url:
        settings = Settings(home=tmp_path, database_url=url, key_ring=tmp_path / "ring.json")
        assert len(asyncio.run(use_record(settings, actor, range(3)))) == 3
        durable, append_only = asyncio.run(read_warnings(settings))
        assert durable.event == "record_not_durable"
        assert durable.detail == (
            "the database runs with fsync = off: an answer may leave before its record is on disk; switch it on"
        )
        assert (append_only.event, "is a superuser" in append_only.detail) == ("record_not_append_only", True)


async def read_warnings(settings: Settings) -> tuple[Caution, ...]:
    async with open_record(settings) as record:
        return record.warnings
