"""The desk of jobs: asks for them, shows how they stand, cancels them, tries them again. Nothing of the workshop is loaded here. Edge."""

from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

from instant_credit.access.actors import Actor
from instant_credit.decision.gate_report import GateReport
from instant_credit.errors import NotFound, Problem
from instant_credit.factory.requests import JobKind, Request, read_request
from instant_credit.factory.settling import Asking, JobRefused, compose_job
from instant_credit.record.pool import Record
from instant_credit.record.queue import (
    ENDED,
    LISTED_MAX,
    JobEvent,
    JobEventKind,
    JobState,
    StoredJob,
    cancel_job,
    enqueue_job,
    list_jobs,
    read_job,
    retry_job,
)
from instant_credit.record.waivers import read_gate_report
from instant_credit.underwriting.resources import Link
from instant_credit.units import Instant

STEPS_MAX: Final = 1_000


class JobStep(Struct, frozen=True, kw_only=True):
    """A step: when it was begun last, and when it finished; null before."""

    name: Annotated[str, Meta(max_length=64)]
    begun_at: Instant
    finished_at: Instant | None


class JobStage(Struct, frozen=True, kw_only=True):
    """How far a running job is: `done` of `total` within the stage; null where nobody knows of how many."""

    stage: Annotated[str, Meta(max_length=64)]
    done: int
    total: int | None


class JobLinks(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"own": "self"}):
    """Where a job is, and what can be done with it now."""

    own: Link
    cancel: Link | None = None
    retry: Link | None = None
    report: Link | None = None


class JobStatus(Struct, frozen=True, kw_only=True):
    """A job as it stands. `result` says what came of one that succeeded, `error` why one failed; null otherwise.

    `trigger` is the name of the one that asked for it, `reasons` say why; `document` is the hash of what it left in the record, the
    report of a judgement; each null where there is none.
    """

    schema_version: int = 1
    job_id: UUID
    kind: Annotated[str, Meta(max_length=64)]
    state: JobState
    requested_at: Instant
    trigger: Annotated[str, Meta(max_length=63)] | None
    reasons: Annotated[str, Meta(max_length=1_000)] | None
    started_at: Instant | None
    ended_at: Instant | None
    progress: JobStage | None
    steps: Annotated[tuple[JobStep, ...], Meta(max_length=STEPS_MAX)]
    result: Annotated[str, Meta(max_length=1_000)] | None
    error: Annotated[str, Meta(max_length=1_000)] | None
    document: Annotated[str, Meta(max_length=64)] | None
    links: JobLinks


class JobsLinks(Struct, frozen=True, kw_only=True, rename={"own": "self"}):
    """Where the list is."""

    own: Link


class Jobs(Struct, frozen=True, kw_only=True):
    """The newest jobs, the newest first."""

    schema_version: int = 1
    jobs: Annotated[tuple[JobStatus, ...], Meta(max_length=LISTED_MAX)]
    links: JobsLinks


class JobDesk:
    """Answers about jobs."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def ask(self, raw: bytes, actor: Actor) -> JobStatus | Problem:
        """Queue the job that a body asks for, or say what is wrong with it.

        Raises
        ------
        JobExists : the same job waits or runs.
        """
        request = read_request(raw)
        if isinstance(request, Problem):
            return request
        try:
            return await self.request(request, actor)
        except JobRefused as refusal:
            return refusal.problem

    async def request(self, request: Request, actor: Actor, asking: Asking | None = None) -> JobStatus:
        """Queue a job; under a natural key once for ever.

        Raises
        ------
        JobRefused : it can't be run; `problem` says why.
        JobExists : the same job waits or runs, or its natural key is known.
        """
        job_id = await enqueue_job(self._record, await compose_job(self._record, request, actor, asking), actor)
        return await self.read(job_id)

    async def read(self, job_id: UUID) -> JobStatus:
        """How a job stands. Raises NotFound when there is none of this id."""
        return tell_job(await read_job(self._record, job_id))

    async def read_report(self, job_id: UUID) -> GateReport:
        """The report of a judgement. Raises NotFound when there is no such job, or none that left a report."""
        job = await read_job(self._record, job_id)
        if job.kind != JobKind.JUDGE or not job.events or job.events[-1].document_hash is None:
            raise NotFound("gate report of job", str(job_id))
        return await read_gate_report(self._record, job.events[-1].document_hash)

    async def list(self) -> Jobs:
        """The newest jobs."""
        jobs = tuple(tell_job(job) for job in await list_jobs(self._record))
        return Jobs(jobs=jobs, links=JobsLinks(own=Link.to("jobs")))

    async def cancel(self, job_id: UUID, actor: Actor) -> JobStatus:
        """Ask for a job's end. Raises NotFound, and JobClosed when it has succeeded or failed."""
        return tell_job(await cancel_job(self._record, job_id, actor))

    async def retry(self, job_id: UUID, actor: Actor) -> JobStatus:
        """Queue a failed or cancelled job again. Raises NotFound, JobClosed and JobExists."""
        return tell_job(await retry_job(self._record, job_id, actor))


def tell_job(job: StoredJob) -> JobStatus:
    """A job as it is told."""
    state = job.state
    begun = [event.recorded_at for event in job.events if event.kind is JobEventKind.BEGUN]
    last = job.events[-1] if job.events and state in ENDED else None
    words = None if last is None else last.words
    told = job.progress if state in (JobState.RUNNING, JobState.CANCELLING) else None
    return JobStatus(
        job_id=job.job_id,
        kind=job.kind,
        state=state,
        requested_at=job.requested_at,
        trigger=job.trigger,
        reasons=job.reasons,
        started_at=begun[0] if begun else None,
        ended_at=None if last is None else last.recorded_at,
        progress=None if told is None else JobStage(stage=told.stage, done=told.done, total=told.total),
        steps=_tell_steps(job.events),
        result=words if state is JobState.SUCCEEDED else None,
        error=words if state is JobState.FAILED else None,
        document=None if last is None else last.document_hash,
        links=_link(job, state),
    )


def _tell_steps(events: tuple[JobEvent, ...]) -> tuple[JobStep, ...]:
    steps: dict[str, JobStep] = {}
    for event in events:
        if event.step is None:
            continue
        if event.kind is JobEventKind.STEP_BEGUN:
            steps[event.step] = JobStep(name=event.step, begun_at=event.recorded_at, finished_at=None)
        else:
            begun_at = steps[event.step].begun_at if event.step in steps else event.recorded_at
            steps[event.step] = JobStep(name=event.step, begun_at=begun_at, finished_at=event.recorded_at)
    return tuple(steps.values())[-STEPS_MAX:]


def _link(job: StoredJob, state: JobState) -> JobLinks:
    job_id = job.job_id
    may_cancel = state in (JobState.QUEUED, JobState.RUNNING)
    is_judged = job.kind == JobKind.JUDGE and state is JobState.SUCCEEDED
    may_retry = state in (JobState.FAILED, JobState.CANCELLED)
    return JobLinks(
        own=Link.to("jobs", job_id),
        cancel=Link.to("jobs", job_id, "cancel") if may_cancel else None,
        retry=Link.to("jobs", job_id, "retry") if may_retry else None,
        report=Link.to("jobs", job_id, "report") if is_judged else None,
    )
