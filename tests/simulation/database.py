"""A database out of a seed: it is slow, full, cut off or dead when chance says so, and it goes on with what it was told.

A statement is told to the database, done at one instant, and answered. What gets lost is either the telling (nothing is done) or the answer (it was
done, and nobody knows). Whoever gives up waiting does not undo what the database was told.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import asyncpg
from msgspec import Struct

from instant_credit.record.shipped import read_sql
from tests.simulation.rules import Rules
from tests.simulation.twin import Twin

STATEMENTS = {
    read_sql(name): name
    for name in (
        "look_up_entries",
        "find_cases",
        "read_standing",
        "insert_entries",
        "find_first_key",
        "read_histories",
        "count_caps",
        "count_explorations",
    )
}
SILENCE = 3_600.0


class Faults(Struct, frozen=True, kw_only=True):
    """How often a statement meets which trouble, and how long the way to the database takes (seconds, on average)."""

    cut_before: float = 0.0
    cut_after: float = 0.0
    hang_before: float = 0.0
    hang_after: float = 0.0
    deadlock: float = 0.0
    slow: float = 0.0
    way: float = 0.001
    slow_seconds: float = 3.0


NONE = Faults()


class Database:
    """Rows, and who talks to them. `inserted` counts statements that wrote."""

    def __init__(self, rules: Rules, chance: Random) -> None:
        self.twin = Twin(rules)
        self.faults = NONE
        self.inserted = 0
        self._chance = chance
        self._is_up = asyncio.Event()
        self._is_up.set()
        self._life = 0
        self._under_way: set[asyncio.Task[None]] = set()

    async def kill(self, seconds: float) -> None:
        """The database dies, with everything that was not done yet, and is back after `seconds`."""
        self._is_up.clear()
        self._life += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._is_up.set()

    def is_up(self) -> bool:
        return self._is_up.is_set()

    async def settle(self) -> None:
        """Return when the database has done all it was told."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def tell(self, name: str, arguments: Sequence[Any]) -> Any:
        """Have a statement run; its answer, unless something is lost."""
        if not self.is_up():
            raise ConnectionRefusedError
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(name, arguments, answer, self._life))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await answer

    async def _run(self, name: str, arguments: Sequence[Any], answer: asyncio.Future[Any], life: int) -> None:
        faults, trouble = self.faults, self._chance.random()
        result: Any = None
        kinds = (faults.cut_before, faults.hang_before, faults.cut_after, faults.hang_after, faults.deadlock)
        bounds = [sum(kinds[: place + 1]) for place in range(len(kinds))]
        kind = next((place for place, bound in enumerate(bounds) if trouble < bound), None)
        await asyncio.sleep(self._travel())
        if kind in {0, 1}:
            await self._lose(answer, hangs=kind == 1)
            return
        if life != self._life:
            _end(answer, asyncpg.ConnectionDoesNotExistError("the database died"))
            return
        try:
            if kind == 4 and name == "insert_entries":
                raise asyncpg.DeadlockDetectedError("somebody else was first")
            result = self.twin.run(name, arguments)
            self.inserted += name == "insert_entries"
        except (asyncpg.PostgresError, AssertionError) as refusal:
            result = refusal
        await asyncio.sleep(self._travel())
        if kind in {2, 3}:
            await self._lose(answer, hangs=kind == 3)
        elif life != self._life:
            _end(answer, asyncpg.ConnectionDoesNotExistError("the database died"))
        else:
            _end(answer, result)

    async def _lose(self, answer: asyncio.Future[Any], *, hangs: bool) -> None:
        if hangs:
            await asyncio.sleep(SILENCE)
        _end(answer, asyncpg.ConnectionDoesNotExistError("the connection was cut"))

    def _travel(self) -> float:
        if self._chance.random() < self.faults.slow:
            return self._chance.expovariate(1 / self.faults.slow_seconds)
        return self._chance.expovariate(1 / self.faults.way)


def _end(answer: asyncio.Future[Any], result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, BaseException):
        answer.set_exception(result)
    else:
        answer.set_result(result)


class Pool:
    """The connections of one process, as many of asyncpg's methods as the commit path uses."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._free = asyncio.Semaphore(size)
        self.is_dead = False

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator["Connection"]:
        async with asyncio.timeout(timeout):
            await self._free.acquire()
        connection = Connection(self, self._database)
        try:
            if not self._database.is_up():
                raise ConnectionRefusedError
            yield connection
        finally:
            connection.terminate()
            self._free.release()


class Connection:
    def __init__(self, pool: Pool, database: Database) -> None:
        self._pool = pool
        self._database = database
        self._is_open = True

    async def fetch(self, statement: str, *arguments: Any) -> Any:
        if self._pool.is_dead or not self._is_open:
            raise asyncpg.ConnectionDoesNotExistError("the connection is closed")
        return await self._database.tell(STATEMENTS[statement], arguments)

    execute = fetchrow = fetchval = fetch

    def terminate(self) -> None:
        self._is_open = False
