"""The database gives up before whoever waits for it does, and undoes what it gave up."""

import asyncio
from time import perf_counter_ns

import asyncpg
import pytest

from instant_credit.access.actors import Actor
from instant_credit.commands.answering import STATEMENT_SECONDS
from instant_credit.errors import Unavailable
from instant_credit.record.commit import commit_entries
from instant_credit.record.grouping import WRITE_SECONDS
from instant_credit.record.patience import wait_until
from instant_credit.record.pool import open_record, within
from instant_credit.settings import Settings
from instant_credit.underwriting.course import APPLICATION_SECONDS
from tests.clock import FixedClock
from tests.record.entries import make_keyed

pytestmark = pytest.mark.anyio


def test_the_servers_statements_end_before_its_callers_and_its_commits_give_up() -> None:
    assert STATEMENT_SECONDS < APPLICATION_SECONDS
    assert STATEMENT_SECONDS < WRITE_SECONDS


async def test_nothing_waits_longer_than_whoever_asks() -> None:
    async def ask() -> None:
        wait_until(perf_counter_ns() + 10_000_000)
        async with within(60):
            await asyncio.Event().wait()

    with pytest.raises(Unavailable, match=r"within 0\.0"):
        await asyncio.wait_for(asyncio.create_task(ask()), 20)


async def test_a_record_opens_with_the_timeouts_it_is_given(settings: Settings) -> None:
    shown = {}
    for seconds in (4.0, 30):
        async with open_record(settings, statement_seconds=seconds) as record, record.connection() as connection:
            names = ("statement_timeout", "lock_timeout")
            shown[seconds] = [await connection.fetchval(f"SHOW {name}") for name in names]
    assert shown == {4.0: ["4s", "4s"], 30: ["30s", "10s"]}


async def test_a_commit_that_the_database_gives_up_is_undone_and_can_be_made_again(
    settings: Settings, superuser_url: str, clock: FixedClock, actor: Actor
) -> None:
    async with open_record(settings, clock=clock, statement_seconds=0.05) as record:
        entry = make_keyed(record, 1, "key")
        blocker = await asyncpg.connect(superuser_url)
        async with blocker.transaction():
            # Whoever inserts waits; whoever reads does not.
            await blocker.execute("LOCK TABLE instant_credit.idempotency_keys IN EXCLUSIVE MODE")
            with pytest.raises(Unavailable):
                await commit_entries(record, [entry], actor)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        assert await blocker.fetchval(waiting) == 0
        for table in ("cases", "decisions", "idempotency_keys"):
            assert await blocker.fetchval(f"SELECT count(*) FROM instant_credit.{table}") == 0  # noqa: S608 names of this file
        await blocker.close()
    async with open_record(settings, clock=clock) as record:
        (committed,) = await commit_entries(record, [entry], actor)
        assert (committed.kind, committed.answer) == ("recorded", entry.answer)
