"""Steps of a job, kept in the record as they finish; a job that is taken up again goes on behind them. Edge.

    begun (event) ─► made ─► bytes ─► kept under their hash and finished (event), both by one statement ─► read back, and gone on with

The law: a finished step is never made again while what it came to is kept. What goes on is what was kept, so a job that was stopped and one
that was not go on with the same. A step is stopped between two of its parts (`Attention.check`), or not at all.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from instant_credit.errors import InstantCreditError
from instant_credit.record.queue_log import JobLog
from instant_credit.record.queue_steps import Form

T = TypeVar("T")


class JobStopped(InstantCreditError):
    """The worker ends; the job goes back to the queue."""


class JobCancelled(InstantCreditError):
    """Somebody asked for the job's end."""


class Attention:
    """What a job should know while it works; threads may ask."""

    def __init__(self) -> None:
        self._is_stopping = threading.Event()
        self._is_cancelled = threading.Event()

    def stop(self) -> None:
        """Have the job given back."""
        self._is_stopping.set()

    def cancel(self) -> None:
        """Have the job ended."""
        self._is_cancelled.set()

    def check(self) -> None:
        """Leave by an exception where the job should not go on.

        Raises
        ------
        JobCancelled, JobStopped : it should not.
        """
        if self._is_cancelled.is_set():
            raise JobCancelled("cancelled, as was asked for")
        if self._is_stopping.is_set():
            raise JobStopped("the worker ends")


class Telling:
    """How far a job is: told by the job as often as it likes, from any thread, and read by whoever writes it down now and then."""

    def __init__(self) -> None:
        self._latest: tuple[str, int, int | None] = ("begin", 0, None)

    @property
    def latest(self) -> tuple[str, int, int | None]:
        """Stage, done, and of how many."""
        return self._latest

    def tell(self, stage: str, done: int = 0, total: int | None = None) -> None:
        """Tell how far the present stage is."""
        self._latest = (stage, done, total)

    def tell_part(self, done: int, total: int) -> None:
        """Tell how far it is within the stage that was told last."""
        self._latest = (self._latest[0], done, total)


class RecordedSteps:
    """The steps of one job. `take` is for threads beside the loop that this is made in, `take_here` for that loop.

    Attributes
    ----------
    made, recalled : how many steps were made, and how many had finished before.
    """

    def __init__(self, log: JobLog, attention: Attention, telling: Telling) -> None:
        self.made = 0
        self.recalled = 0
        self._log = log
        self._attention = attention
        self._telling = telling
        self._loop = asyncio.get_running_loop()

    def take(self, name: str, make: Callable[[], T], form: Form[T]) -> T:
        """What a step comes to: kept from before, or made now and kept.

        Raises
        ------
        JobCancelled, JobStopped : the job should not go on; the step is not made, or not finished.
        JobLost : another worker has the job.
        Refused : what the step came to can't be kept or read; the message says what to do.
        Unavailable : the database did not answer.
        """
        kept = self._wait(self._recall(name))
        if kept is None:
            kept = form.encode(make())
            self._wait(self._finish(name, kept))
        return form.decode(kept)

    async def take_here(self, name: str, make: Callable[[], Awaitable[T]], form: Form[T]) -> T:
        """The same for what is awaited."""
        kept = await self._recall(name)
        if kept is None:
            kept = form.encode(await make())
            await self._finish(name, kept)
        return form.decode(kept)

    async def find(self, name: str, form: Form[T]) -> T | None:
        """What a step came to that finished before, None where it did not."""
        kept = await self._log.recall(name)
        return None if kept is None else form.decode(kept)

    async def _recall(self, name: str) -> bytes | None:
        self._attention.check()
        self._telling.tell(name)
        kept = await self._log.recall(name)
        if kept is None:
            await self._log.begin_step(name)
        else:
            self.recalled += 1
        return kept

    async def _finish(self, name: str, kept: bytes) -> None:
        await self._log.finish_step(name, kept)
        self.made += 1

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
