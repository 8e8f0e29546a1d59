"""A shift: jobs are taken and run until the worker is told to end. Edge.

    queue ─► whose turn ─► is it held by a worker that lives? ─► begun ─► handler (steps) ─► ended, given back, or lost to another worker

Whatever happens to a job is written down here, so that the queue hears of no failure: a job ends, or goes back. While one runs, its progress is
written down every second or so, which is also how other workers know that this one lives, and a wish to cancel is looked for.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from instant_credit.errors import InstantCreditError, NotFound, Unavailable
from instant_credit.factory.jobs import JobContext, Left, find_handler
from instant_credit.factory.steps import Attention, JobCancelled, JobStopped, RecordedSteps, Telling
from instant_credit.factory.triggers import Watch
from instant_credit.record.pool import Record
from instant_credit.record.queue import JobEventKind, JobState, StoredJob
from instant_credit.record.queue_log import LOST_RUNS_MAX, JobLog, JobLost, forget_old_results, take_up
from instant_credit.record.queue_taking import Taking, take_jobs
from instant_credit.settings import Settings
from instant_credit.worker.lines import JobEnding, JobLine

RESULTS_DAYS: Final = 30
"""For so long a job that failed or was cancelled can be tried again from behind its finished steps."""

AGAIN_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 30.0
WAIT_SECONDS_MAX: Final = 30.0
TELL_SECONDS_MAX: Final = 1.0
_HOPELESS: Final = (
    f"its worker died {LOST_RUNS_MAX} times in a row before a step was finished, as happens where memory runs out: give the worker more "
    "memory, or ask for less, then try the job again, which goes on behind its finished steps"
)
_LOOK_EVERY: Final = 3
_ID_BYTES: Final = 16
# Of the time after which a job counts as lost: a worker tells twice within the quarter in which others believe that it lives.
_TELLS: Final = 8
_LIVES: Final = 4


class _Ended(Struct, frozen=True, kw_only=True):
    """How a job left these hands, and after how many seconds it may be taken again; None = never."""

    ending: JobEnding
    again: float | None = None


class Shift:
    """One worker's time at the queue.

    Parameters
    ----------
    stop : set by whoever wants the shift to end; jobs under way are given back.
    tell : told of each job that left these hands.
    """

    def __init__(
        self,
        record: Record,
        settings: Settings,
        *,
        stop: asyncio.Event,
        taking: Taking,
        tell: Callable[[JobLine], None] = lambda _: None,
    ) -> None:
        self.running = 0
        self._record = record
        self._settings = settings
        self._stop = stop
        self._taking = taking
        self._tell = tell
        self._worker_id = UUID(bytes=record.entropy(_ID_BYTES), version=4)
        self._log = structlog.get_logger("instant_credit.worker")

    async def work(self, is_taking: Callable[[], None] = lambda: None) -> None:
        """Take jobs until `stop` is set, and ask for what triggers want. A database that goes away is waited for."""
        watching = asyncio.create_task(self._watch())
        try:
            await self._take_all(is_taking)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        """Look now and then which triggers are due."""
        watch = Watch(self._record)
        while not self._stop.is_set():
            try:
                for asked in await watch.ask():
                    job_ids = [str(job_id) for job_id in asked.job_ids]
                    if asked.refused is not None:
                        self._log.warning("trigger_refused", trigger=asked.name, code=asked.refused)
                    elif job_ids:
                        self._log.info("trigger_asked", trigger=asked.name, job_ids=job_ids)
            except Unavailable as trouble:
                self._log.warning("triggers_unavailable", error=type(trouble).__name__)
            except Exception:
                # The worker's jobs do not depend on it.
                self._log.exception("triggers_broke")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), WATCH_SECONDS)

    async def _take_all(self, is_taking: Callable[[], None]) -> None:
        wait = 1.0
        while not self._stop.is_set():
            try:
                await forget_old_results(self._record, RESULTS_DAYS)
                await take_jobs(self._settings, self.run, stop=self._stop, taking=self._taking, is_taking=is_taking)
            except Unavailable as trouble:
                self._log.warning("queue_unavailable", error=type(trouble).__name__, again_seconds=wait)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), wait)
                wait = min(2 * wait, WAIT_SECONDS_MAX)

    async def run(self, job_id: UUID) -> float | None:
        """Run one job; after how many seconds it may be taken again, None = it needs no more of it. Raises nothing."""
        try:
            return await self._take(job_id)
        except NotFound:
            self._log.error("job_unknown", job_id=str(job_id))
            return None
        except Unavailable:
            return AGAIN_SECONDS
        except Exception:
            # What the queue hears of is kept in its tables, so it hears of no failure.
            self._log.exception("job_broke", job_id=str(job_id))
            return WAIT_SECONDS_MAX

    async def _take(self, job_id: UUID) -> float | None:
        began = self._record.clock.monotonic_ns()
        log = await take_up(self._record, job_id, self._worker_id)
        if log.is_over:
            return None
        if self._is_in_other_hands(log.job):
            return self._taking.look_seconds
        self.running += 1
        attention, telling = Attention(), Telling()
        steps = RecordedSteps(log, attention, telling)
        try:
            ended = await self._run(log, steps, attention, telling)
        except Unavailable as trouble:
            self._log.warning("job_interrupted", job_id=str(job_id), error=type(trouble).__name__)
            # Told where the record is there again, so that this worker does not count as one that died.
            with contextlib.suppress(Unavailable, JobLost):
                await log.give_back()
            ended = _Ended(ending=JobEnding.UNAVAILABLE, again=AGAIN_SECONDS)
        except JobLost:
            # Whoever has it may die, too: the queue asks again when that would show.
            ended = _Ended(ending=JobEnding.LOST, again=self._taking.lost_seconds)
        finally:
            self.running -= 1
        spent_ns = self._record.clock.monotonic_ns() - began
        self._tell(
            JobLine(
                job_id=job_id,
                kind=log.job.kind,
                ending=ended.ending,
                steps_made=steps.made,
                steps_recalled=steps.recalled,
                spent_ns=spent_ns,
            )
        )
        return ended.again

    def _is_in_other_hands(self, job: StoredJob) -> bool:
        """Whether a worker that was thought dead lives. It tells more often than that."""
        told = job.progress
        is_running = job.state in (JobState.RUNNING, JobState.CANCELLING)
        return is_running and told is not None and told.silent_seconds < self._taking.lost_seconds / _LIVES

    async def _run(self, log: JobLog, steps: RecordedSteps, attention: Attention, telling: Telling) -> _Ended:
        if log.is_cancelled:
            return await _end(log, JobEventKind.CANCELLED, "cancelled before it was begun")
        if log.is_hopeless:
            return await _end(log, JobEventKind.FAILED, _HOPELESS)
        await log.begin()
        context = JobContext(
            record=self._record,
            settings=self._settings,
            actor=log.actor,
            steps=steps,
            attention=attention,
            telling=telling,
        )
        try:
            async with self._watched(log, attention, telling):
                # Importing the workshop takes seconds, in which the queue should hear of this worker.
                handle = await asyncio.to_thread(find_handler, log.job.kind)
                left = await handle(context, log.job.arguments)
        except JobStopped:
            await log.give_back()
            return _Ended(ending=JobEnding.GIVEN_BACK, again=0.0)
        except JobCancelled as wish:
            return await _end(log, JobEventKind.CANCELLED, str(wish))
        except (Unavailable, JobLost):
            raise
        except InstantCreditError as refusal:
            return await _end(log, JobEventKind.FAILED, str(refusal))
        except Exception as error:
            # Its message may quote what it failed on; the log has the places that it passed.
            self._log.exception("job_broke", job_id=str(log.job.job_id), kind=log.job.kind)
            words = (
                f"it broke ({type(error).__name__}); the worker's log has the places under job_broke and this job's id"
            )
            return await _end(log, JobEventKind.FAILED, words)
        if isinstance(left, Left):
            return await _end(log, JobEventKind.SUCCEEDED, left.words, left.document_hash)
        return await _end(log, JobEventKind.SUCCEEDED, left)

    @contextlib.asynccontextmanager
    async def _watched(self, log: JobLog, attention: Attention, telling: Telling) -> AsyncIterator[None]:
        """Write progress down, look for a wish to cancel and pass on the end of the shift, for as long as the block runs."""
        tasks = [
            asyncio.create_task(self._keep_telling(log, attention, telling)),
            asyncio.create_task(self._pass_stop_on(attention)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass_stop_on(self, attention: Attention) -> None:
        await self._stop.wait()
        attention.stop()

    async def _keep_telling(self, log: JobLog, attention: Attention, telling: Telling) -> None:
        every = min(TELL_SECONDS_MAX, self._taking.lost_seconds / _TELLS)
        turn = 0
        while True:
            # The record may be away for a while; the job itself finds out when it needs it.
            with contextlib.suppress(Unavailable):
                await log.tell(*telling.latest)
                turn += 1
                if turn % _LOOK_EVERY == 0 and await self._is_unwanted(log):
                    attention.cancel()
            await asyncio.sleep(every)

    async def _is_unwanted(self, log: JobLog) -> bool:
        """Whether somebody asked for the end, or another worker has the job: then the next step's number says so."""
        try:
            return await log.look()
        except JobLost:
            return True


async def _end(log: JobLog, kind: JobEventKind, words: str, document_hash: str | None = None) -> _Ended:
    await log.end(kind, words, document_hash)
    return _Ended(ending=JobEnding(kind.value))
