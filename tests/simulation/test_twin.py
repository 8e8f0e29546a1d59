"""The twin against a real Postgres: the same commits leave the same rows and get the same answers."""

from random import Random
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.record.commit import commit_group, find_answer
from instant_credit.record.histories import HistoryAsked, read_histories
from instant_credit.record.pool import Record
from tests.clock import SeededEntropy
from tests.record.entries import AS_OF, make_keyed
from tests.simulation.database import Database, Faults, Pool
from tests.simulation.rules import read_rules

pytestmark = pytest.mark.anyio
GROUPS = 40
AT_ONCE = Faults(way=1e-9)


async def test_the_same_commits_leave_the_same_rows(record: Record, actor: Actor, superuser_url: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    database = Database(await read_rules(connection), Random(1))
    database.faults = AT_ONCE
    real, twin = (
        Record(pool=pool, key_ring=record.key_ring, clock=record.clock, entropy=SeededEntropy("both"))
        for pool in (record._pool, Pool(database, 1))
    )
    chance = Random(2)
    for _ in range(GROUPS):
        group = []
        for _ in range(chance.randint(1, 6)):
            number, key = chance.randrange(40), f"key-{chance.randrange(30)}"
            group.append((make_keyed(record, number, key), actor))
        if chance.random() < 0.3:
            group = [(replace(entry, idempotency_key=None, body_mac=None), actor) for entry, _ in group]
        if chance.random() < 0.5:
            group = [(replace(entry, person_number=chance.randint(1, 2)), actor) for entry, _ in group]
        assert await commit_group(real, group) == await commit_group(twin, group)
    for number in range(30):
        assert await find_answer(real, "client", f"key-{number}") == await find_answer(twin, "client", f"key-{number}")
    persons = {row["person_id"]: row["book"] for row in database.twin.tables["instant_credit.cases"]}
    asked = [HistoryAsked(person_id=one, book=book, since=AS_OF) for one, book in persons.items()]
    assert await read_histories(real, asked, most=100) == await read_histories(twin, asked, most=100)
    filled = 0
    for table, rows in database.twin.tables.items():
        if rows:
            filled += 1
            columns = ", ".join(rows[0])
            stored = await connection.fetch(f"SELECT {columns} FROM {table}")  # noqa: S608 names out of the catalogue
            assert _sort(map(dict, stored)) == _sort(rows), table
    assert filled >= 5
    await connection.close()


def _sort(rows: Any) -> list[Any]:
    return sorted(rows, key=repr)
