"""Edge. Jobs: asked for, looked at, cancelled, tried again. What became of a job is computed from its events, which are only ever added.

The queue itself, which says whose turn it is, is a table of the library (`queue_taking`, ADR 0025). A job and its place in the queue are
written by one statement, so a server that asks for jobs needs none of the library.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.errors import Conflict, NotFound, require
from instant_credit.record.chain import leaf_of
from instant_credit.record.ids import new_id
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql

ARGUMENTS_BYTES_MAX: Final = 16_384
RESULT_BYTES_MAX: Final = 268_435_456
LISTED_MAX: Final = 100
_TRIES: Final = 20


class JobWeight(StrEnum):
    """Of heavy jobs one runs at a time in the whole installation; light ones run beside it."""

    HEAVY = "heavy"
    LIGHT = "light"


class JobEventKind(StrEnum):
    """What happened to a job."""

    BEGUN = "begun"
    STEP_BEGUN = "step_begun"
    STEP_FINISHED = "step_finished"
    GIVEN_BACK = "given_back"
    CANCEL_ASKED = "cancel_asked"
    RETRIED = "retried"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobState(StrEnum):
    """How a job stands. A running one whose worker died is running still: another worker takes it up."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


class JobExists(Conflict):
    """The same job waits or runs, or its natural key is known; `job_id` is that one."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"the same job is there already: {job_id}; see instant-credit job show {job_id}")
        self.job_id = job_id


class JobClosed(Conflict):
    """What was asked of a job does not go with its state."""

    def __init__(self, job_id: UUID, state: JobState, what: str) -> None:
        super().__init__(f"job {job_id} is {state}, so it can't be {what}")
        self.job_id = job_id
        self.state = state


class JobEvent(Struct, frozen=True, kw_only=True):
    """One event. `step` and `result_hash` are of steps, `words` say how the job ended, `worker_id` names the worker's process.

    `document_hash` is of the document that a job left that succeeded, where its kind leaves one.
    """

    number: int
    kind: JobEventKind
    step: str | None = None
    result_hash: str | None = None
    words: str | None = None
    worker_id: UUID | None = None
    recorded_at: datetime
    document_hash: str | None = None


class JobProgress(Struct, frozen=True, kw_only=True):
    """How far the present stage is: `done` of `total`, None = nobody knows of how many; told `silent_seconds` ago."""

    stage: str
    done: int
    total: int | None
    silent_seconds: float


class StoredJob(Struct, frozen=True, kw_only=True):
    """A job with its events in order. `trigger` asked for it, None = none did; `reasons` say why in words."""

    job_id: UUID
    kind: str
    weight: JobWeight
    arguments: bytes
    actor_kind: str
    actor_id: str
    requested_at: datetime
    events: tuple[JobEvent, ...]
    progress: JobProgress | None = None
    trigger: str | None = None
    reasons: str | None = None

    @property
    def state(self) -> JobState:
        """As the events tell it."""
        return judge_state(self.events)


class JobRequest(Struct, frozen=True, kw_only=True):
    """A job as it is asked for. `arguments` are canonical JSON; a job of one `natural_key` is queued once for ever.

    `trigger` is the name of the one that asks, and `reasons` say why.
    """

    kind: str
    weight: JobWeight
    arguments: bytes
    natural_key: str | None = None
    trigger: str | None = None
    reasons: str | None = None


def judge_state(events: Iterable[JobEvent]) -> JobState:
    """The state that follows from events in order."""
    state, is_asked = JobState.QUEUED, False
    for event in events:
        match event.kind:
            case JobEventKind.BEGUN:
                state = JobState.RUNNING
            case JobEventKind.GIVEN_BACK:
                state = JobState.QUEUED
            case JobEventKind.RETRIED:
                state, is_asked = JobState.QUEUED, False
            case JobEventKind.CANCEL_ASKED:
                is_asked = True
            case JobEventKind.SUCCEEDED | JobEventKind.FAILED | JobEventKind.CANCELLED:
                state = JobState(event.kind.value)
            case _:
                pass
    if not is_asked or state in ENDED:
        return state
    return JobState.CANCELLING if state is JobState.RUNNING else JobState.CANCELLED


async def enqueue_job(record: Record, request: JobRequest, actor: Actor) -> UUID:
    """Queue a job; its id.

    Raises
    ------
    JobExists : the same job waits or runs, or was queued under this natural key before.
    Conflict : the same job began and ended again and again meanwhile.
    Unavailable : the database did not answer; the job may have been queued, and asking again tells.
    """
    require(len(request.arguments) <= ARGUMENTS_BYTES_MAX, "a job's arguments are bounded")
    for _ in range(_TRIES):
        queued = await _insert_job(record, request, actor)
        if queued is not None:
            return queued
    raise Conflict("the same job begins and ends too fast: ask again")


async def _insert_job(record: Record, request: JobRequest, actor: Actor) -> UUID | None:
    """The id of the job that was queued; None where the same one stood in its way and had ended when it was looked for."""
    now = record.clock.now()
    # A job is nobody's, so its bucket is drawn by chance.
    job_id = new_id(record.entropy(1)[0], now, record.entropy)
    told = (request.kind, request.weight.value, request.arguments, request.natural_key)
    row = (job_id, *told, actor.kind.value, actor.id, now, request.trigger, request.reasons)
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_job"), row, [leaf_of("jobs", row)], now)
        except asyncpg.UniqueViolationError:
            same = (request.kind, request.arguments, request.natural_key)
            found = await connection.fetchval(read_sql("find_same_job"), *same)
            if found is None:
                return None
            raise JobExists(UUID(int=found.int)) from None
    return job_id


async def read_job(record: Record, job_id: UUID) -> StoredJob:
    """One job.

    Raises
    ------
    NotFound : there is none of this id.
    """
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("read_job"), job_id)
        if row is None:
            raise NotFound("job", str(job_id))
        (job,) = await _complete(connection, [row])
    return job


async def list_jobs(record: Record, most: int = LISTED_MAX) -> tuple[StoredJob, ...]:
    """Jobs, the newest first."""
    async with record.connection() as connection:
        return await _complete(connection, await connection.fetch(read_sql("list_jobs"), min(most, LISTED_MAX)))


async def cancel_job(record: Record, job_id: UUID, actor: Actor) -> StoredJob:
    """Ask for the end of a job: one that waits is cancelled at once, one that runs by its worker. Asked again, nothing changes.

    Raises
    ------
    NotFound : there is no such job.
    JobClosed : it has succeeded or failed.
    """
    return await _add(record, job_id, JobEventKind.CANCEL_ASKED, actor)


async def retry_job(record: Record, job_id: UUID, actor: Actor) -> StoredJob:
    """Queue a failed or cancelled job again; it goes on behind its finished steps. One that waits or runs is left as it is.

    Raises
    ------
    NotFound : there is no such job.
    JobClosed : it has succeeded.
    JobExists : a job of the same arguments waits or runs.
    """
    return await _add(record, job_id, JobEventKind.RETRIED, actor)


_STATEMENTS: Final = {JobEventKind.CANCEL_ASKED: "insert_job_cancel", JobEventKind.RETRIED: "insert_job_retry"}
_CHANGES_NOTHING: Final = {
    JobEventKind.CANCEL_ASKED: frozenset({JobState.CANCELLING, JobState.CANCELLED}),
    JobEventKind.RETRIED: frozenset({JobState.QUEUED, JobState.RUNNING}),
}
_REFUSED: Final = {
    JobEventKind.CANCEL_ASKED: (frozenset({JobState.SUCCEEDED, JobState.FAILED}), "cancelled"),
    JobEventKind.RETRIED: (frozenset({JobState.SUCCEEDED, JobState.CANCELLING}), "tried again"),
}


async def _add(record: Record, job_id: UUID, kind: JobEventKind, actor: Actor) -> StoredJob:
    """Write down what somebody asks of a job; the job afterwards."""
    refused, what = _REFUSED[kind]
    for _ in range(_TRIES):
        job = await read_job(record, job_id)
        if job.state in refused:
            raise JobClosed(job_id, job.state, what)
        if job.state in _CHANGES_NOTHING[kind]:
            return job
        event = JobEvent(number=len(job.events) + 1, kind=kind, recorded_at=record.clock.now())
        if await insert_event(record, job_id, event, actor, statement=_STATEMENTS[kind]):
            return await read_job(record, job_id)
        if kind is JobEventKind.RETRIED:
            await _require_alone(record, job)
    raise Conflict(f"job {job_id} changes too fast: try again")


async def _require_alone(record: Record, job: StoredJob) -> None:
    async with record.connection() as connection:
        found = await connection.fetchval(read_sql("find_same_job"), job.kind, job.arguments, None)
    if found is not None and UUID(int=found.int) != job.job_id:
        raise JobExists(UUID(int=found.int))


async def insert_event(
    record: Record,
    job_id: UUID,
    event: JobEvent,
    actor: Actor,
    *,
    statement: str = "insert_job_event",
    more: tuple[Any, ...] = (),
) -> bool:
    """Write an event by one of the statements that take its row and `more`; False where somebody else wrote its number.

    An event that names a document is written by `insert_job_end`.

    Raises
    ------
    Unavailable : the database did not answer; the event may have been written, and reading the job tells.
    """
    told = (event.kind.value, event.step, event.result_hash, event.words, event.worker_id)
    row = (job_id, event.number, *told, actor.kind.value, actor.id, event.recorded_at)
    leaf = leaf_of("job_events", (*row, event.document_hash))
    if event.document_hash is not None:
        statement, more = "insert_job_end", (event.document_hash,)
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql(statement), (*row, *more), [leaf], event.recorded_at)
        except asyncpg.UniqueViolationError:
            return False
    return True


async def _complete(connection: Any, rows: Sequence[Any]) -> tuple[StoredJob, ...]:
    """Jobs with their events and progress."""
    ids = [row["job_id"] for row in rows]
    events: dict[UUID, list[JobEvent]] = defaultdict(list)
    for one in await connection.fetch(read_sql("list_job_events"), ids):
        events[one["job_id"]].append(_event(one))
    told = {one["job_id"]: _progress(one) for one in await connection.fetch(read_sql("list_job_progress"), ids)}
    return tuple(
        StoredJob(
            job_id=UUID(int=row["job_id"].int),
            kind=row["kind"],
            weight=JobWeight(row["weight"]),
            arguments=row["arguments"],
            actor_kind=row["actor_kind"],
            actor_id=row["actor_id"],
            requested_at=row["recorded_at"],
            events=tuple(events[row["job_id"]]),
            progress=told.get(row["job_id"]),
            trigger=row["trigger_name"],
            reasons=row["reasons"],
        )
        for row in rows
    )


def _event(row: Any) -> JobEvent:
    worker_id = row["worker_id"]
    return JobEvent(
        number=row["number"],
        kind=JobEventKind(row["kind"]),
        step=row["step"],
        result_hash=row["result_hash"],
        words=row["words"],
        worker_id=None if worker_id is None else UUID(int=worker_id.int),
        recorded_at=row["recorded_at"],
        document_hash=row["document_hash"],
    )


def _progress(row: Any) -> JobProgress:
    return JobProgress(stage=row["stage"], done=row["done"], total=row["total"], silent_seconds=row["silent_seconds"])
