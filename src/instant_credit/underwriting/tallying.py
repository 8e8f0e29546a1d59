"""Tallying: what becomes of the applications of each arm, counted in memory and written down now and then. Edge.

    answered (how long it took), failed by a fault ─► counts by experiment and arm ─► every half minute a row each (`record.arm_tallies`)

An outage is no fault of an arm: whoever meets one is not counted. What a killed process had not written down is lost.
"""

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.errors import Unavailable
from instant_credit.record.arm_tallies import ArmTally, add_arm_tallies
from instant_credit.record.pool import Record
from instant_credit.underwriting.experiments import Drawn

ACTOR: Final = Actor(kind=ActorKind.JOB, id="tallies")
WRITE_NS: Final = 30_000_000_000
"""So long a count waits at most before it is written down; guardrails are judged every five minutes."""

_ID_BYTES: Final = 16
_APPLICATIONS, _FAILED, _TIMED, _SLOW = range(4)


class Tallying:
    """Counts of one process."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._holder_id = UUID(bytes=record.entropy(_ID_BYTES), version=4)
        self._number = 0
        self._counts: dict[tuple[int, int], list[int]] = {}
        # What was taken out of the counts and is not known to be written.
        self._due: tuple[ArmTally, ...] = ()
        self._written_at_ns = record.clock.monotonic_ns()
        self._writing = asyncio.Lock()

    def count(self, drawn: Drawn, spent_ns: int) -> None:
        """Count an application that was answered within so many nanoseconds."""
        for drew in drawn.drew:
            counts = self._counts.setdefault((drew.number, drew.arm), [0, 0, 0, 0])
            counts[_APPLICATIONS] += 1
            if drew.slow_ns is not None:
                counts[_TIMED] += 1
                counts[_SLOW] += spent_ns > drew.slow_ns

    def fail(self, drawn: Drawn) -> None:
        """Count an application that failed by a fault."""
        for drew in drawn.drew:
            counts = self._counts.setdefault((drew.number, drew.arm), [0, 0, 0, 0])
            counts[_APPLICATIONS] += 1
            counts[_FAILED] += 1

    async def refresh(self) -> None:
        """Write down what was counted, if that was not done just now.

        Raises
        ------
        Unavailable : the record did not answer; it is written later.
        """
        if self._record.clock.monotonic_ns() - self._written_at_ns >= WRITE_NS:
            await self._write()

    async def close(self) -> None:
        """Write down what was counted; what the record does not take is lost."""
        with suppress(Unavailable):
            await self._write()

    async def _write(self) -> None:
        async with self._writing:
            # What stayed unanswered is sent again as it was, under its number.
            while self._due or self._counts:
                if not self._due:
                    self._number += 1
                    self._due = tuple(_tell(key, counts) for key, counts in sorted(self._counts.items()))
                    self._counts = {}
                await add_arm_tallies(
                    self._record, self._due, holder_id=self._holder_id, number=self._number, actor=ACTOR
                )
                self._due = ()
            self._written_at_ns = self._record.clock.monotonic_ns()


def _tell(key: tuple[int, int], counts: list[int]) -> ArmTally:
    applications, failed, timed, slow = counts
    return ArmTally(experiment=key[0], arm=key[1], applications=applications, failed=failed, timed=timed, slow=slow)
