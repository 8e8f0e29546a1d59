"""Shadow decisions: what shadows and challengers, which answer nobody, would have decided, a moment after the answer has left.

    recorded application ─► queue (bounded) ─► a pause ─► group ─► decide_many by each shadow ─► one commit, apart from Decisions

The answer's way ends at the queue: offering appends or counts a drop, and never waits. A group is taken a pause later and decided in a thread, on
the Case as it was recorded; then as long is rested as the group took, so that shadows take at most half of a process. What is dropped, fails or
belongs to an erased person is counted, and not tried again.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

from msgspec import UNSET, Struct
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import decode_case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.release import Release
from instant_credit.errors import Unavailable
from instant_credit.record.pool import Record, within
from instant_credit.record.rows import Entry
from instant_credit.record.shadows import ShadowEntry, add_shadow_decisions

WAITING_MAX: Final = 2_000
GROUP_MAX: Final = 32
PAUSE_SECONDS: Final = 0.05
WRITE_SECONDS: Final = 5.0
FINISH_SECONDS: Final = 3.0
ACTOR: Final = Actor(kind=ActorKind.JOB, id="shadow")


class ShadowEnding(StrEnum):
    """What became of one shadow decision."""

    RECORDED = "recorded"
    DROPPED = "dropped"
    ERASED = "erased"
    OTHER_COLUMNS = "other_columns"
    FAILED = "failed"


class _Waiting(Struct, frozen=True, kw_only=True):
    product: str
    case_id: UUID
    case: bytes


Count = Callable[[str, ShadowEnding, int], None]
Shadows = Callable[[], Mapping[str, Sequence[Release]]]


class Shadowing:
    """Decides recorded applications by the shadows and challengers of their products.

    Parameters
    ----------
    shadows : gives shadows and challengers by product, as they are now.
    count : called with product, ending and how many.
    report : called with a shadow's hash and what it failed with, unless the record did not answer.
    waiting_max : most applications in the queue; what comes then is dropped.
    """

    def __init__(
        self,
        record: Record,
        shadows: Shadows,
        *,
        count: Count = lambda *_: None,
        report: Callable[[str, Exception], None] = lambda *_: None,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._record = record
        self._shadows = shadows
        self._count = count
        self._report = report
        self._waiting_max = waiting_max
        self._queue: deque[_Waiting] = deque()
        self._come = asyncio.Event()
        self._deciding = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Applications in the queue."""
        return len(self._queue)

    def offer(self, entry: Entry) -> None:
        """Queue a recorded application, or count it as dropped; nothing at all where its product has no shadow."""
        shadows = self._shadows().get(entry.product, ())
        if not shadows:
            return
        if len(self._queue) >= self._waiting_max:
            self._count(entry.product, ShadowEnding.DROPPED, len(shadows))
            return
        self._queue.append(_Waiting(product=entry.product, case_id=entry.case_id, case=entry.case))
        self._come.set()

    async def run(self) -> None:
        """Decide what comes, for ever."""
        while True:
            await self._come.wait()
            await asyncio.sleep(PAUSE_SECONDS)
            began_ns = self._record.clock.monotonic_ns()
            await self.decide_group()
            await asyncio.sleep((self._record.clock.monotonic_ns() - began_ns) / 1e9)

    async def finish(self) -> None:
        """Decide what waits, a group under way among it, within `FINISH_SECONDS`, and count the rest as dropped."""
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                while self._queue or self._deciding.locked():
                    await self.decide_group()
        except TimeoutError:
            while self._queue:
                waiting = self._queue.popleft()
                self._count(waiting.product, ShadowEnding.DROPPED, len(self._shadows().get(waiting.product, ())))

    async def decide_group(self) -> None:
        """Take at most `GROUP_MAX` applications, decide each by every shadow of its product, and record that; one group at a time."""
        async with self._deciding:
            await self._decide_group()

    async def _decide_group(self) -> None:
        group = [self._queue.popleft() for _ in range(min(GROUP_MAX, len(self._queue)))]
        if not self._queue:
            self._come.clear()
        shadows = self._shadows()
        own: dict[str, list[_Waiting]] = {}
        for waiting in group:
            own.setdefault(waiting.product, []).append(waiting)
        left = deque((product, release) for product in own for release in shadows.get(product, ()))
        try:
            while left:
                product, release = left.popleft()
                await self._decide(product, own[product], release)
        except asyncio.CancelledError:
            for product, _ in left:
                self._count(product, ShadowEnding.DROPPED, len(own[product]))
            raise

    async def _decide(self, product: str, group: Sequence[_Waiting], release: Release) -> None:
        tally: Counter[ShadowEnding] = Counter()
        try:
            entries = await asyncio.to_thread(_decide_by, release, group)
            tally[ShadowEnding.OTHER_COLUMNS] = len(group) - len(entries)
            if entries:
                async with within(WRITE_SECONDS):
                    written = await add_shadow_decisions(self._record, entries, ACTOR)
                tally[ShadowEnding.RECORDED], tally[ShadowEnding.ERASED] = written.recorded, written.erased
        except asyncio.CancelledError:
            self._count(product, ShadowEnding.FAILED, len(group))
            raise
        except Exception as error:  # A shadow that fails, in whatever way, disturbs nobody.
            tally = Counter({ShadowEnding.FAILED: len(group)})
            if not isinstance(error, Unavailable):
                self._report(release.hash, error)
        for ending, items in tally.items():
            if items:
                self._count(product, ending, items)


def _decide_by(release: Release, group: Sequence[_Waiting]) -> list[ShadowEntry]:
    """What the release decides on those of the Cases that have its columns."""
    # A shadow is no arm: what was drawn says nothing about its own decision.
    cases = [(waiting.case_id, replace(decode_case(waiting.case), assignment=UNSET)) for waiting in group]
    own = [(case_id, case) for case_id, case in cases if case.layout_hash == release.layout_hash]
    decisions = decide_many([case for _, case in own], release)
    return [
        ShadowEntry(
            case_id=case_id,
            release_hash=release.hash,
            outcome=decision.outcome.value,
            decision=encode_canonical(decision),
        )
        for (case_id, _), decision in zip(own, decisions, strict=True)
    ]
