"""What the desk is handed, what it hands back, and what it knows of one application in between."""

from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.record.clock import Clock
from instant_credit.underwriting.lines import ApplicationLine, Ending, Stages

APPLICATION_SECONDS: Final = 5.0
"""A caller waits no longer than this for an answer, whatever the record does."""


class Submission(Struct, frozen=True, kw_only=True):
    """One application as it came in. `client_id` is who asks, over all of its API keys; `actor` is the key in use; `seconds` is how
    long the caller waits for an answer.
    """

    product: str
    body: bytes
    client_id: str
    actor: Actor
    idempotency_key: str | None = None
    seconds: float = APPLICATION_SECONDS


class Answered(Struct, frozen=True, kw_only=True):
    """A recorded answer. `is_repeated` says that it is the first answer to an earlier submission with the same key."""

    body: bytes
    decision_id: UUID
    is_repeated: bool
    stages: Stages


class Course:
    """What is known so far of one application under way, for its line."""

    def __init__(self, submission: Submission, clock: Clock) -> None:
        self._submission = submission
        self._clock = clock
        self._started_ns = self._last_ns = clock.monotonic_ns()
        self.until_ns = self._started_ns + int(submission.seconds * 1e9)
        self._spent_ns: dict[str, int] = {}
        self.facts: dict[str, Any] = {}

    def spend(self, stage: str) -> int:
        """Book the time since the last stage under `stage`; nanoseconds."""
        now_ns = self._clock.monotonic_ns()
        spent_ns = now_ns - self._last_ns
        self._spent_ns[stage] = self._spent_ns.get(stage, 0) + spent_ns
        self._last_ns = now_ns
        return spent_ns

    def stages(self) -> Stages:
        """Stage times until now."""
        return Stages(**self._spent_ns, total_ns=self._clock.monotonic_ns() - self._started_ns)

    def line(self, ending: Ending) -> ApplicationLine:
        """The application's line."""
        submission = self._submission
        return ApplicationLine(
            ending=ending,
            product=submission.product,
            actor_kind=submission.actor.kind.value,
            actor_id=submission.actor.id,
            stages=self.stages(),
            **self.facts,
        )
