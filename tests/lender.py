"""Fixtures that start a whole lender once a session, on a database of its own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from instant_credit.record.embedded import APP, OWNER, SUPERUSER, Cluster
from tests.lending import Documents, House, found_house, make_documents


@pytest.fixture(scope="session")
def documents() -> Documents:
    return make_documents()


@pytest.fixture(scope="session")
def house(documents: Documents, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with founded(documents, cluster, tmp_path_factory.mktemp("house")) as lender:
        yield lender


@contextmanager
def founded(documents: Documents, cluster: Cluster, folder: Path) -> Iterator[House]:
    """A lender with these documents, on a database of its own, until the block ends."""
    name = f"house_{uuid4().hex}"
    asyncio.run(_create_database(cluster, name))
    environ = {
        "INSTANT_CREDIT_HOME": str(folder / "home"),
        "INSTANT_CREDIT_KEY_RING": str(folder / "keys" / "ring.json"),
        # Tests sign anchors themselves, so that nothing is anchored between two of their steps.
        "INSTANT_CREDIT_ANCHOR_SECONDS": "0",
        "DATABASE_URL": cluster.url(APP, name),
        "DATABASE_OWNER_URL": cluster.url(OWNER, name),
    }
    lender = found_house(folder, environ, documents, cluster.url(SUPERUSER, name))
    yield lender
    status = lender.server.stop()
    assert status == 0, lender.server.log.read_text()


async def _create_database(cluster: Cluster, name: str) -> None:
    connection = await asyncpg.connect(cluster.url(SUPERUSER, "postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    finally:
        await connection.close()
