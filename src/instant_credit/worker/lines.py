"""The line that is logged of each job that a worker had in its hands, and what is counted of it. Edge."""

from enum import StrEnum
from typing import Final
from uuid import UUID

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400)
_NS: Final = 1e9


class JobEnding(StrEnum):
    """How a job left a worker's hands."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GIVEN_BACK = "given_back"
    LOST = "lost"
    UNAVAILABLE = "unavailable"


class JobLine(Struct, frozen=True, kw_only=True):
    """One job in one worker's hands: steps made here, those that had finished before, and the time from taking it up."""

    job_id: UUID
    kind: str
    ending: JobEnding
    steps_made: int
    steps_recalled: int
    spent_ns: int


class JobMetrics:
    """Counters of one worker, in a registry of their own. Labels are closed sets: kinds of jobs and endings."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._jobs = Counter(
            "instant_credit_jobs", "Jobs by how they left the worker.", ("kind", "ending"), registry=self.registry
        )
        self._seconds = Histogram(
            "instant_credit_job_seconds",
            "Time of a job in the worker.",
            ("kind",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._steps = Counter("instant_credit_job_steps", "Steps that finished.", ("kind",), registry=self.registry)
        self.running = Gauge("instant_credit_jobs_running", "Jobs in the worker's hands.", registry=self.registry)

    def count(self, line: JobLine) -> None:
        """Count one job."""
        self._jobs.labels(line.kind, line.ending.value).inc()
        self._seconds.labels(line.kind).observe(line.spent_ns / _NS)
        self._steps.labels(line.kind).inc(line.steps_made)
