"""Group commit: who waits together is written together."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant, Overloaded, Refused, Unavailable
from instant_credit.record.grouping import Grouping, Written
from instant_credit.record.patience import seconds_left, wait_until
from tests.clock import FixedClock

pytestmark = pytest.mark.anyio
LATER = 1 << 62


class Book:
    """What was written, group by group; a group ends when `gate` is open."""

    def __init__(self, **limits: int) -> None:
        self.groups: list[list[int]] = []
        self.seen: list[Written] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.trouble: dict[int, Exception] = {}
        self.clock = FixedClock()
        self.grouping: Grouping[int, str] = Grouping(self.write, self.clock, observe=self.seen.append, **limits)

    async def write(self, group: Sequence[int]) -> list[str]:
        await self.gate.wait()
        for item in group:
            if item in self.trouble:
                raise self.trouble[item]
        self.groups.append(list(group))
        return [f"result {item}" for item in group]

    def submit(self, item: int, until_ns: int = LATER) -> "asyncio.Task[str]":
        return asyncio.create_task(self.grouping.submit(item, until_ns=until_ns))


async def test_what_comes_while_a_group_is_written_goes_together_into_the_next() -> None:
    book = Book(lanes=1)
    book.gate.clear()
    first = book.submit(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [book.submit(item) for item in range(1, 9)]
    await asyncio.sleep(0)
    assert book.grouping.waiting == 8
    book.gate.set()
    assert await asyncio.gather(first, *others) == [f"result {item}" for item in range(9)]
    assert book.groups == [[0], list(range(1, 9))]
    assert [(one.items, one.waiting) for one in book.seen] == [(1, 8), (8, 0)]


async def test_the_patience_of_whoever_starts_a_lane_does_not_bound_what_it_writes_for_others() -> None:
    book = Book(lanes=1)
    left: list[float] = []

    async def write(group: Sequence[int]) -> list[str]:
        left.append(seconds_left())
        return [f"result {item}" for item in group]

    async def hurry() -> str:
        wait_until(0)
        return await grouping.submit(1, until_ns=LATER)

    grouping: Grouping[int, str] = Grouping(write, book.clock)
    assert await asyncio.create_task(hurry()) == "result 1"
    assert left == [math.inf]


async def test_what_comes_at_once_goes_together() -> None:
    book = Book(lanes=1)
    await asyncio.gather(*(book.submit(item) for item in range(5)))
    assert book.groups == [list(range(5))]


async def test_a_group_is_bounded_and_order_is_kept() -> None:
    book = Book(lanes=1, group_max=3)
    await asyncio.gather(*(book.submit(item) for item in range(8)))
    assert book.groups == [[0, 1, 2], [3, 4, 5], [6, 7]]


async def test_a_full_queue_refuses_and_writes_nothing_of_it() -> None:
    book = Book(lanes=1, group_max=1, waiting_max=2)
    book.gate.clear()
    taken = [book.submit(0)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    taken += [book.submit(item) for item in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await book.grouping.submit(3, until_ns=LATER)
    book.gate.set()
    await asyncio.gather(*taken)
    assert book.groups == [[0], [1], [2]]


async def test_an_item_past_its_deadline_and_one_whose_caller_left_are_not_written() -> None:
    book = Book(lanes=1)
    book.gate.clear()
    first = book.submit(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late, left, good = book.submit(1, until_ns=book.clock.monotonic_ns()), book.submit(2), book.submit(3)
    await asyncio.sleep(0)
    left.cancel()
    book.gate.set()
    with pytest.raises(Overloaded):
        await late
    with pytest.raises(asyncio.CancelledError):
        await left
    assert await good == "result 3"
    await first
    assert book.groups == [[0], [3]]


@pytest.mark.parametrize(
    "trouble",
    [BrokenInvariant("two different rows claim one id"), Refused("no such key"), OverflowError(), KeyError(1)],
)
async def test_an_item_that_fails_falls_alone(trouble: Exception) -> None:
    book = Book(lanes=1)
    book.trouble[1] = trouble
    found = await asyncio.gather(*(book.submit(item) for item in range(3)), return_exceptions=True)
    assert found == ["result 0", trouble, "result 2"]


async def test_a_silent_database_is_told_to_all_and_the_next_group_is_tried_afresh() -> None:
    book = Book(lanes=1)
    book.trouble[1] = Unavailable("down")
    found = await asyncio.gather(*(book.submit(item) for item in range(3)), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in found)
    book.trouble.clear()
    assert await book.submit(4) == "result 4"


async def test_a_database_that_falls_silent_while_items_are_written_apart_is_told_to_the_rest() -> None:
    book = Book(lanes=1)
    book.trouble = {0: Refused("no such key"), 1: Unavailable("down")}
    found = await asyncio.gather(*(book.submit(item) for item in range(3)), return_exceptions=True)
    assert found == [book.trouble[0], book.trouble[1], book.trouble[1]]
    assert book.groups == []


async def test_draining_waits_for_what_is_under_way() -> None:
    book = Book(lanes=2)
    book.gate.clear()
    tasks = [book.submit(item) for item in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    draining = asyncio.create_task(book.grouping.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    book.gate.set()
    await draining
    assert all(task.done() for task in tasks)


@given(
    lanes=st.integers(1, 3),
    group_max=st.integers(1, 4),
    steps=st.lists(st.sampled_from(["submit", "expired", "cancel", "yield", "shut", "open"]), max_size=40),
)
def test_every_item_is_written_once_or_its_caller_is_told(lanes: int, group_max: int, steps: list[str]) -> None:
    async def run() -> None:
        book = Book(lanes=lanes, group_max=group_max)
        tasks: list[asyncio.Task[str]] = []
        for step in steps:
            if step in ("submit", "expired"):
                tasks.append(book.submit(len(tasks), LATER if step == "submit" else 0))
            elif step == "cancel" and tasks:
                tasks[-1].cancel()
            elif step == "yield":
                await asyncio.sleep(0)
            elif step == "shut":
                book.gate.clear()
            elif step == "open":
                book.gate.set()
        book.gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await book.grouping.drain()
        written = [item for group in book.groups for item in group]
        assert len(written) == len(set(written))
        assert all(len(group) <= group_max for group in book.groups)
        for item, one in enumerate(found):
            if isinstance(one, str):
                assert one == f"result {item}"
                assert item in written
            elif isinstance(one, Overloaded):
                assert item not in written
            else:
                assert isinstance(one, asyncio.CancelledError)
        assert book.grouping.waiting == 0

    asyncio.run(run())


async def test_one_timer_watches_all_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether items come one after another or together."""
    loop, timers = asyncio.get_running_loop(), 0
    call_later = loop.call_later

    def count(delay: float, callback: Any, *arguments: Any) -> asyncio.TimerHandle:
        nonlocal timers
        is_sweep = callback == book.grouping._sweep
        timers += is_sweep
        return call_later(3_600 if is_sweep else delay, callback, *arguments)

    book = Book(lanes=1)
    monkeypatch.setattr(loop, "call_later", count)
    for item in range(50):
        await book.submit(item)
    await asyncio.gather(*(book.submit(item) for item in range(50, 100)))
    assert timers == 1
