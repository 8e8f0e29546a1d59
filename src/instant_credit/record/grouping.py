"""Edge. Group commit: what waits together is written together, and whoever waits is answered after the commit.

    submit ─► queue (bounded) ─► lane: takes what waits, at most `GROUP_MAX` ─► write (one transaction) ─► each its own result

While a lane writes, others queue up, so groups grow with the load and a lonely item waits for nobody. An item whose deadline has passed, or whose
caller has gone, is not written. A group that fails is written again one by one, so that no item falls with another one; but for a database that
does not answer, since that holds for all of them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Final, Generic, TypeVar, cast

from msgspec import Struct

from instant_credit.errors import Late, Overloaded, Unavailable, require
from instant_credit.record.clock import Clock
from instant_credit.record.pool import within

T = TypeVar("T")
R = TypeVar("R")

LANES: Final = 1
"""Two at once make smaller groups, and each costs Postgres more: at 900 a second 505 us an application instead of 336."""
GROUP_MAX: Final = 128
WAITING_MAX: Final = 1_000
WRITE_SECONDS: Final = 5.0
SWEEP_SECONDS: Final = 0.05
"""A caller is told at most so much later than its deadline."""


class Written(Struct, frozen=True, kw_only=True):
    """One group, for whoever counts: how many items it held, how many waited on, nanoseconds from its taking to its commit."""

    items: int
    waiting: int
    spent_ns: int


class _Waiting(Struct, Generic[T, R], eq=False):
    item: T
    until_ns: int
    result: "asyncio.Future[R]"
    is_taken: bool = False

    def give_up(self) -> None:
        """The deadline has passed."""
        if self.result.done():
            return
        if self.is_taken:
            self.result.set_exception(Unavailable("the record did not answer in time: try again"))
        else:
            self.result.set_exception(Late("the deadline passed before the commit"))


class Grouping(Generic[T, R]):
    """Writes items in groups.

    Parameters
    ----------
    write : writes a group, all or nothing, and returns one result an item, in order.
    clock : against which deadlines are held.
    lanes : groups that may be written at once.
    group_max, waiting_max : most items in one group, and in the queue.
    observe : called with every group that was written.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        clock: Clock,
        *,
        lanes: int = LANES,
        group_max: int = GROUP_MAX,
        waiting_max: int = WAITING_MAX,
        observe: Callable[[Written], None] = lambda _: None,
    ) -> None:
        self._write = write
        self._clock = clock
        self._lanes_max = lanes
        self._group_max = group_max
        self._waiting_max = waiting_max
        self._observe = observe
        self._queue: deque[_Waiting[T, R]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._open: dict[int, _Waiting[T, R]] = {}
        self._is_sweeping = False

    @property
    def waiting(self) -> int:
        """Items that no lane has taken yet."""
        return len(self._queue)

    async def submit(self, item: T, *, until_ns: int) -> R:
        """Have `item` written; its result, after the commit.

        Parameters
        ----------
        until_ns : instant of the clock's monotonic time after which it must not be written any more.

        Raises
        ------
        Overloaded : the queue is full; nothing was written.
        Late : the deadline passed before the item was taken; nothing was written.
        Unavailable : the database did not answer, or not before `until_ns`; the item may have been written.
        """
        if len(self._queue) >= self._waiting_max:
            raise Overloaded("too many items wait for a commit")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[R] = loop.create_future()
        waiting = _Waiting(item, until_ns, result)
        self._queue.append(waiting)
        if len(self._lanes) < self._lanes_max:
            # It writes for others too: the patience of the one who starts it does not bound it.
            self._lanes.add(asyncio.create_task(self._run_lane(), context=Context()))
        self._open[id(waiting)] = waiting
        if not self._is_sweeping:
            self._is_sweeping = True
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        try:
            return await result
        finally:
            del self._open[id(waiting)]

    async def drain(self) -> None:
        """Return when nothing waits and nothing is being written."""
        while self._lanes:
            await asyncio.wait(set(self._lanes))

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up what is past its deadline. One timer for all costs less than one for each."""
        now_ns = self._clock.monotonic_ns()
        for waiting in self._open.values():
            if waiting.until_ns <= now_ns:
                waiting.give_up()
        self._is_sweeping = bool(self._open)
        if self._is_sweeping:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    async def _run_lane(self) -> None:
        try:
            while group := self._take():
                await self._serve(group)
        finally:
            # At once, and not when the loop gets to it: what is submitted in between would wait for a lane that has ended.
            self._lanes.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _serve(self, group: Sequence[_Waiting[T, R]]) -> None:
        started_ns = self._clock.monotonic_ns()
        try:
            await self._write_group(group)
        except BaseException as trouble:
            _fail(group, trouble)
            if not isinstance(trouble, Exception):
                raise
        else:
            spent_ns = self._clock.monotonic_ns() - started_ns
            self._observe(Written(items=len(group), waiting=len(self._queue), spent_ns=spent_ns))

    def _take(self) -> list[_Waiting[T, R]]:
        """The items to write next: those that somebody still waits for, in the order in which they came."""
        now_ns = self._clock.monotonic_ns()
        group: list[_Waiting[T, R]] = []
        while self._queue and len(group) < self._group_max:
            waiting = self._queue.popleft()
            if waiting.result.done():
                continue
            if waiting.until_ns <= now_ns:
                waiting.give_up()
                continue
            waiting.is_taken = True
            group.append(waiting)
        return group

    async def _write_group(self, group: Sequence[_Waiting[T, R]]) -> None:
        try:
            async with within(WRITE_SECONDS):
                results = await self._write([waiting.item for waiting in group])
        except Unavailable:
            raise
        except Exception:
            if len(group) == 1:
                raise
            await self._write_apart(group)
            return
        require(len(results) == len(group), "a group has a result for every item")
        for waiting, result in zip(group, results, strict=True):
            if not waiting.result.done():
                waiting.result.set_result(result)

    async def _write_apart(self, group: Sequence[_Waiting[T, R]]) -> None:
        """One by one; each tells its own trouble, and nothing is written for whom nobody waits any more."""
        for waiting in group:
            if waiting.result.done():
                continue
            try:
                await self._write_group([waiting])
            except Unavailable:
                raise
            except Exception as trouble:  # Whatever it is, it belongs to this item alone.
                _fail([waiting], trouble)


def _fail(group: Sequence[_Waiting[T, R]], trouble: BaseException) -> None:
    for waiting in group:
        if not waiting.result.done():
            waiting.result.set_exception(trouble)
