"""Money is held out of leases, and what is reserved stays below the cap whoever dies in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random

import pytest

from instant_credit.errors import BrokenInvariant, Unavailable
from instant_credit.record.budgets import read_budget
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import Settings
from instant_credit.underwriting import purses as room
from instant_credit.underwriting.purses import Hold, Purses, Want
from instant_credit.units import Cents
from tests.clock import FixedClock

pytestmark = pytest.mark.anyio

KEY, OTHER = "loss:1:challenger", "cap:all:2026-01-05"
CAP = 160_000


def want(cents: int, key: str = KEY, cap: int = CAP) -> dict[str, Want]:
    return {key: Want(cents=Cents(cents), cap_cents=Cents(cap))}


@pytest.fixture
async def purses(record: Record) -> AsyncIterator[Purses]:
    opened = Purses(record)
    yield opened
    await opened.close()


async def hold(purses: Purses, cents: int, key: str = KEY, cap: int = CAP) -> Hold:
    held = await purses.hold(want(cents, key, cap))
    assert isinstance(held, Hold)
    return held


async def leased(record: Record, key: str = KEY) -> int:
    return (await read_budget(record, key)).leased_cents


async def count_leases(record: Record) -> int:
    async with record.connection() as connection:
        found: int = await connection.fetchval("SELECT count(*) FROM budget_leases")
    return found


async def test_many_holds_take_one_lease(record: Record, purses: Purses) -> None:
    for _ in range(40):
        purses.settle(await hold(purses, 100))
    assert await count_leases(record) == 1
    assert await leased(record) == CAP // 16


async def test_a_purse_that_runs_low_is_filled_before_it_is_empty(record: Record, purses: Purses) -> None:
    purses.settle(await hold(purses, 5_500))
    while await count_leases(record) < 2:
        await asyncio.sleep(0)
    assert await leased(record) > CAP // 16


async def test_what_was_not_used_can_be_held_again(record: Record, purses: Purses) -> None:
    for _ in range(20):
        purses.settle(await hold(purses, CAP), {})
    purses.settle(await hold(purses, CAP), {KEY: Cents(100_000)})
    purses.settle(await hold(purses, 60_000))
    assert await purses.hold(want(1)) == (KEY,)
    assert await leased(record) == CAP


async def test_more_than_was_held_is_not_used(purses: Purses) -> None:
    held = await hold(purses, 10)
    with pytest.raises(BrokenInvariant, match="used"):
        purses.settle(held, {KEY: Cents(11)})


async def test_of_several_budgets_all_are_held_or_none(record: Record, purses: Purses) -> None:
    both = want(50_000) | want(50_000, OTHER, 40_000)
    assert await purses.hold(both) == (OTHER,)
    purses.settle(await hold(purses, CAP))
    assert await purses.hold(want(10) | want(10, OTHER, 40_000)) == (KEY,)
    purses.settle(await hold(purses, 40_000, OTHER, 40_000))


async def test_a_budget_that_is_used_up_is_asked_for_again_after_a_while_only(
    record: Record, purses: Purses, clock: FixedClock
) -> None:
    other = Purses(record)
    held = await hold(other, CAP)
    assert await purses.hold(want(10)) == (KEY,)
    other.settle(held, {})
    await other.close()
    leases = await count_leases(record)
    for _ in range(10):
        assert await purses.hold(want(10)) == (KEY,)
    assert await count_leases(record) == leases
    clock.advance_monotonic(room.SHORT_NS)
    purses.settle(await hold(purses, 10))


async def test_at_the_end_what_was_not_used_is_given_back(record: Record) -> None:
    purses = Purses(record)
    purses.settle(await hold(purses, 700))
    await purses.close()
    assert await leased(record) == 700


async def test_an_idle_purse_gives_back_and_one_in_use_does_not(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    purses = Purses(record)
    held = await hold(purses, 700)
    purses.settle(await hold(purses, 300, OTHER))
    await purses.tidy()
    assert await leased(record, OTHER) == CAP // 16
    monkeypatch.setattr(room, "IDLE_NS", 0)
    await purses.tidy()
    assert (await leased(record), await leased(record, OTHER)) == (CAP // 16, 300)
    purses.settle(held)
    await purses.close()
    assert await leased(record) == 700


async def test_a_record_that_does_not_answer_refuses_nobody(
    record: Record, purses: Purses, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise Unavailable("the record did not answer")

    with monkeypatch.context() as patched:
        patched.setattr(room, "take_lease", fail)
        with pytest.raises(Unavailable):
            await purses.hold(want(10))
    purses.settle(await hold(purses, 10))


async def test_whoever_gives_up_waiting_holds_nothing(record: Record, purses: Purses) -> None:
    waiting = asyncio.create_task(purses.hold(want(10_000)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    purses.settle(await hold(purses, CAP))


async def live(purses: Purses, random: Random, committed: list[int], steps: int) -> None:
    """One application after the other: held, then committed, refused, or left open by whoever dies."""
    for _ in range(steps):
        held = await purses.hold(want(random.randint(1, 9_000)))
        await asyncio.sleep(0)
        if isinstance(held, Hold):
            if random.random() < 0.7:
                used = random.randint(0, held.cents[KEY])
                committed.append(used)
                purses.settle(held, {KEY: Cents(used)})
            elif random.random() < 0.8:
                purses.settle(held, {})


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_reserved_never_exceeds_what_is_leased_nor_that_the_cap(
    settings: Settings, record: Record, seed: int
) -> None:
    """Four processes by turns, with several applications each at once; they end in order, or are killed and begin anew."""
    random = Random(seed)
    committed: list[int] = []
    async with AsyncExitStack() as stack:
        records = [await stack.enter_async_context(open_record(settings, clock=FixedClock())) for _ in range(4)]
        alive = [Purses(one) for one in records]
        for _ in range(6):
            await asyncio.gather(*(live(one, random, committed, 6) for one in alive for _ in range(3)))
            assert sum(committed) <= await leased(record) <= CAP
            place = random.randrange(4)
            if random.random() < 0.5:
                await alive[place].close()
            alive[place] = Purses(records[place])
        for one in alive:
            await one.close()
    assert 0 < sum(committed) <= await leased(record) <= CAP
