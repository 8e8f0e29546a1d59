"""Databases that tests of migrations start from."""

from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest

from instant_credit.record.embedded import OWNER, SUPERUSER, Cluster
from tests.conftest import run_apart


@pytest.fixture
def fresh(cluster: Cluster) -> Iterator[str]:
    """Name of a database without our schema."""
    name = f"fresh_{uuid4().hex}"

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(cluster.url(SUPERUSER, "postgres"))
        await connection.execute(statement)
        await connection.close()

    run_apart(run(f"CREATE DATABASE {name} OWNER {OWNER}"))
    yield name
    run_apart(run(f"DROP DATABASE {name} WITH (FORCE)"))
