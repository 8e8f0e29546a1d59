"""What a job's handler works with, and which handler a kind of job has. Handlers are imported when a job of theirs runs. Edge."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Final

from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.errors import Refused
from instant_credit.factory.requests import JobKind
from instant_credit.factory.steps import Attention, RecordedSteps, Telling
from instant_credit.record.pool import Record
from instant_credit.settings import Settings


class JobContext(Struct, frozen=True, kw_only=True, eq=False):
    """What a handler gets: the record, its steps, whom to ask whether to go on and whom to tell how far it is.

    `actor` is the job, which writes what the job records.
    """

    record: Record
    settings: Settings
    actor: Actor
    steps: RecordedSteps
    attention: Attention
    telling: Telling

    def tell(self, stage: str, done: int, total: int | None = None) -> None:
        """Tell how far the job is, and leave where it should not go on.

        Raises
        ------
        JobCancelled, JobStopped : it should not go on.
        """
        self.attention.check()
        self.telling.tell(stage, done, total)

    def tell_part(self, done: int, total: int) -> None:
        """The same within the stage that was told last."""
        self.attention.check()
        self.telling.tell_part(done, total)


class Left(Struct, frozen=True, kw_only=True):
    """What came of a job, in one sentence, and the hash of the document that it left in the record."""

    words: str
    document_hash: str


# Runs a job by its arguments; what came of it, in one sentence, or with a document.
Handler = Callable[[JobContext, bytes], Awaitable[str | Left]]

_HANDLERS: Final[dict[JobKind, tuple[str, str]]] = {
    JobKind.RETRAIN: ("retraining", "retrain"),
    JobKind.JUDGE: ("judging", "judge"),
    JobKind.MONITOR: ("monitoring", "monitor"),
    JobKind.LOOK: ("looking", "look"),
    JobKind.AUDIT: ("upkeep", "audit"),
    JobKind.MONTHS: ("upkeep", "make_months"),
    JobKind.FREEZE: ("freezing", "freeze"),
}


def find_handler(kind: str) -> Handler:
    """The handler of a kind of job.

    Raises
    ------
    Refused : this version of the program has none.
    """
    try:
        module, name = _HANDLERS[JobKind(kind)]
    except (ValueError, KeyError):
        raise Refused(f"this worker knows no job of kind {kind}: start one of the version that queued it") from None
    handler: Handler = getattr(import_module(f"instant_credit.factory.{module}"), name)
    return handler
