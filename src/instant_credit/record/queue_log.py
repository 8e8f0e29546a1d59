"""Edge. What a worker writes of the job that it holds: begun, steps with their results, progress, the end.

The law: events are numbered one by one, and a number is written once. A worker whose number somebody else wrote reads what happened: a wish to
cancel is remembered, and its number is counted on; anything else means that another worker took the job up, and this one must stop
(`JobLost`). So of two workers that hold one job, one goes on.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.canonical import hash_content
from instant_credit.errors import Conflict, Refused, require
from instant_credit.record.pool import Record
from instant_credit.record.queue import (
    ENDED,
    RESULT_BYTES_MAX,
    JobEvent,
    JobEventKind,
    JobState,
    StoredJob,
    insert_event,
    read_job,
)
from instant_credit.record.shipped import read_sql

WORDS_MAX: Final = 1_000
STAGE_MAX: Final = 64
_EVENTS_MAX: Final = 100_000
_TRIES: Final = 20
_LOGGED_AT_ONCE: Final = 10_000


LOST_RUNS_MAX: Final = 5
"""A job whose workers died so often in a row without finishing a step is not begun again by itself."""


class JobLost(Conflict):
    """Another worker took the job up."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"another worker took job {job_id} up")


class JobLog:
    """One job in the hands of one worker.

    Attributes
    ----------
    job : as it was when it was taken up.
    is_cancelled : whether somebody asked for its end, as far as this worker knows; `look` asks anew.
    """

    def __init__(self, record: Record, job: StoredJob, worker_id: UUID) -> None:
        self.job = job
        self.is_cancelled = job.state in (JobState.CANCELLED, JobState.CANCELLING)
        self._record = record
        self._worker_id = worker_id
        self._actor = Actor(kind=ActorKind.JOB, id=str(job.job_id))
        self._number = len(job.events)
        self._lock = asyncio.Lock()
        self._finished = {
            one.step: one.result_hash
            for one in job.events
            if one.kind is JobEventKind.STEP_FINISHED and one.step is not None and one.result_hash is not None
        }

    @property
    def actor(self) -> Actor:
        """Who writes what the job records."""
        return self._actor

    @property
    def is_over(self) -> bool:
        """Whether the job had ended before it was taken up."""
        return self.job.state in ENDED

    @property
    def is_hopeless(self) -> bool:
        """Whether its workers died too often, one after the other, without finishing a step."""
        return count_lost_runs(self.job.events, self._worker_id) >= LOST_RUNS_MAX

    async def begin(self) -> None:
        """Write down that this worker took the job up."""
        await self._append(JobEventKind.BEGUN)

    async def recall(self, step: str) -> bytes | None:
        """What a finished step came to; None = it did not finish, or its result was thrown away since.

        Raises
        ------
        Refused : the result is not what was kept.
        """
        content_hash = self._finished.get(step)
        if content_hash is None:
            return None
        async with self._record.connection() as connection:
            body: bytes | None = await connection.fetchval(read_sql("read_job_result"), self.job.job_id, content_hash)
        if body is not None and hash_content(body) != content_hash:
            raise Refused(f"what step {step} came to was altered in the database: start another job of the same kind")
        return body

    async def begin_step(self, step: str) -> None:
        """Write down that a step begins."""
        await self._append(JobEventKind.STEP_BEGUN, step=step)

    async def finish_step(self, step: str, result: bytes) -> None:
        """Keep what a step came to, and write down that it finished; both at once.

        Raises
        ------
        Refused : the result is too large to be kept.
        JobLost : another worker has the job.
        """
        if len(result) > RESULT_BYTES_MAX:
            raise Refused(f"step {step} came to {len(result):,} bytes; at most {RESULT_BYTES_MAX:,} are kept")
        content_hash = hash_content(result)
        await self._append(JobEventKind.STEP_FINISHED, step=step, result_hash=content_hash, result=result)
        self._finished[step] = content_hash

    async def tell(self, stage: str, done: int, total: int | None) -> None:
        """Tell how far the job is, which is also the sign that its worker lives."""
        async with self._record.connection() as connection:
            await connection.execute(read_sql("put_job_progress"), self.job.job_id, stage[:STAGE_MAX], done, total)

    async def look(self) -> bool:
        """Whether somebody asked for the job's end.

        Raises
        ------
        JobLost : another worker has the job.
        """
        async with self._lock:
            if not self.is_cancelled:
                await self._follow()
        return self.is_cancelled

    async def give_back(self) -> None:
        """Write down that the worker ends and the job does not."""
        await self._append(JobEventKind.GIVEN_BACK)

    async def end(self, kind: JobEventKind, words: str, document_hash: str | None = None) -> None:
        """Write down how the job ended, and throw away what the steps came to when nothing more is wanted of them.

        `document_hash` is of a document of the record that a job left that succeeded.
        """
        require(kind.value in ENDED, "an end is an end")
        await self._append(kind, words=words[:WORDS_MAX], document_hash=document_hash)
        if kind is JobEventKind.SUCCEEDED:
            await delete_results(self._record, self.job.job_id, before=None)

    async def _append(
        self,
        kind: JobEventKind,
        *,
        step: str | None = None,
        result_hash: str | None = None,
        words: str | None = None,
        result: bytes | None = None,
        document_hash: str | None = None,
    ) -> None:
        event = JobEvent(
            number=0,
            kind=kind,
            step=step,
            result_hash=result_hash,
            words=words,
            worker_id=self._worker_id,
            recorded_at=self._record.clock.now(),
            document_hash=document_hash,
        )
        async with self._lock:
            await self._append_alone(event, result)

    async def _append_alone(self, told: JobEvent, result: bytes | None) -> None:
        """Write an event under the next number."""
        for _ in range(_TRIES):
            if self._number >= _EVENTS_MAX - 1 and told.kind is JobEventKind.STEP_BEGUN:
                raise Refused("this job was begun too often: start another one")
            event = replace(told, number=self._number + 1, recorded_at=self._record.clock.now())
            statement = "insert_job_event" if result is None else "insert_finished_step"
            more = () if result is None else (result,)
            if await insert_event(self._record, self.job.job_id, event, self._actor, statement=statement, more=more):
                self._number = event.number
                return
            await self._follow()
        raise Conflict(f"job {self.job.job_id} changes too fast: try again")

    async def _follow(self) -> None:
        """Take in what others wrote meanwhile."""
        job = await read_job(self._record, self.job.job_id)
        for event in job.events[self._number :]:
            if event.kind is not JobEventKind.CANCEL_ASKED:
                raise JobLost(self.job.job_id)
            self.is_cancelled = True
        self._number = len(job.events)


def count_lost_runs(events: Iterable[JobEvent], worker_id: UUID) -> int:
    """In how many runs since its last newly finished step a job lost its worker, as the worker sees it that would begin it now.

    A run that was given back lost none, and neither did one after which the same worker began again: that one waited for the database.
    """
    lost, holder = 0, None
    for event in events:
        match event.kind:
            case JobEventKind.BEGUN:
                lost += holder not in (None, event.worker_id)
                holder = event.worker_id
            case JobEventKind.STEP_FINISHED:
                lost = 0
            case JobEventKind.RETRIED:
                lost, holder = 0, None
            case JobEventKind.GIVEN_BACK:
                holder = None
            case _:
                pass
    return lost + (holder not in (None, worker_id))


async def take_up(record: Record, job_id: UUID, worker_id: UUID) -> JobLog:
    """The job as a worker holds it; nothing is written yet."""
    return JobLog(record, await read_job(record, job_id), worker_id)


async def delete_results(record: Record, job_id: UUID | None, *, before: datetime | None) -> None:
    """Throw away what steps came to: of this job, and of every job that ended before an instant."""
    async with record.connection() as connection:
        await connection.execute(read_sql("delete_job_results"), job_id, before)


async def forget_old_results(record: Record, days: int) -> None:
    """Throw away what steps came to of jobs that ended so many days ago; one of them that is tried again does its steps anew."""
    await delete_results(record, None, before=record.clock.now() - timedelta(days=days))


async def forget_old_log(record: Record, days: int) -> None:
    """Throw away what the queue's library logged so many days ago: who asked, and what became of it, is told by events."""
    before, deleted = record.clock.now() - timedelta(days=days), _LOGGED_AT_ONCE
    while deleted == _LOGGED_AT_ONCE:
        async with record.connection() as connection:
            # "DELETE 12"
            told: str = await connection.execute(read_sql("delete_queue_log"), before, _LOGGED_AT_ONCE)
        deleted = int(told.split()[1])
