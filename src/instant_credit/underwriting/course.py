"""What the desk is handed, what it hands back, and what it knows of one application in between."""

from collections.abc import Mapping
from typing import Any, Final, Protocol
from uuid import UUID

from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.decision.decision import Decision
from instant_credit.decision.release import Release
from instant_credit.errors import Refused
from instant_credit.record.clock import Clock
from instant_credit.record.patience import seconds_left
from instant_credit.record.rows import Entry
from instant_credit.underwriting.lines import ApplicationLine, Ending, Stages

BOOK: Final = "applications"
TEST_BOOK: Final = "test"
"""Where applications with keys for tests go. Nobody learns from it and no tape goes into it."""

API_BOOKS: Final = frozenset({BOOK, TEST_BOOK})
"""The books that the API alone fills."""

APPLICATION_SECONDS: Final = 5.0
"""A caller waits no longer than this for an answer, whatever it asks and whatever the record does."""


class Releases(Protocol):
    """The live releases, kept in memory by their owner."""

    def live(self) -> Mapping[str, Release]:
        """Release by product name."""
        ...

    def not_loaded(self) -> Mapping[str, str]:
        """Hash by product name of the releases that should be live and could not be loaded."""
        ...


def require_real(book: str) -> None:
    """Raise `Refused` when `book` is the one of tests, from which nothing is learned and of which nothing is counted."""
    if book == TEST_BOOK:
        raise Refused(f"book {book} holds what keys for tests applied for: name another book")


def book_of(*, is_test: bool) -> str:
    """The book that applications go to, those made with keys for tests and all others."""
    return TEST_BOOK if is_test else BOOK


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks: the client, over all of its API keys, the key in use, and whether that is a key for tests."""

    client_id: str
    actor: Actor
    is_test: bool = False

    def may_see(self, client_id: str | None, book: str, *, sees_all: bool) -> bool:
        """Whether a row of this client and book is shown: tests to tests, all but tests to all others, save whoever sees all."""
        if sees_all and not self.is_test:
            return True
        return (book == TEST_BOOK) == self.is_test and (sees_all or client_id == self.client_id)


class Submission(Struct, frozen=True, kw_only=True):
    """One application as it came in. `client_id` is who asks, over all of its API keys; `actor` is the key in use; `seconds` is how
    long the caller waits at most for an answer. `named` is what the idempotency key stands for where that is not the body;
    `is_test` keeps it apart from all that counts.
    """

    product: str
    body: bytes
    client_id: str
    actor: Actor
    idempotency_key: str | None = None
    seconds: float = APPLICATION_SECONDS
    named: bytes | None = None
    is_test: bool = False

    @property
    def book(self) -> str:
        """The book that it goes to."""
        return book_of(is_test=self.is_test)


class Answered(Struct, frozen=True, kw_only=True):
    """A recorded answer. `is_repeated` says that it is the first answer to an earlier submission with the same key."""

    body: bytes
    decision_id: UUID
    is_repeated: bool
    stages: Stages


class Course:
    """What is known so far of one application under way, for its line.

    Attributes
    ----------
    until_ns : instant of the clock's monotonic time after which its caller waits no more.
    facts : what is told of it, by the names of `ApplicationLine`.
    wait_ns, read_ns, decide_ns, record_ns : times of the stages so far (`Stages`).
    """

    __slots__ = (
        "_clock",
        "_last_ns",
        "_stages",
        "_started_ns",
        "_submission",
        "decide_ns",
        "facts",
        "read_ns",
        "record_ns",
        "until_ns",
        "wait_ns",
    )

    def __init__(self, submission: Submission, clock: Clock) -> None:
        self._submission = submission
        self._clock = clock
        self._started_ns = self._last_ns = clock.monotonic_ns()
        self.until_ns = self._started_ns + int(min(submission.seconds, seconds_left()) * 1e9)
        self.wait_ns = self.read_ns = self.decide_ns = self.record_ns = 0
        self.facts: dict[str, Any] = {}
        self._stages: Stages | None = None

    def seconds_left(self) -> float:
        """Seconds until the deadline, never below 0."""
        return max(self.until_ns - self._clock.monotonic_ns(), 0) / 1e9

    def spend_waiting(self) -> None:
        """Book the time since the last stage as waiting behind the same idempotency key."""
        now_ns = self._clock.monotonic_ns()
        self.wait_ns += now_ns - self._last_ns
        self._last_ns = now_ns

    def spend_reading(self) -> None:
        """Book it as reading."""
        now_ns = self._clock.monotonic_ns()
        self.read_ns += now_ns - self._last_ns
        self._last_ns = now_ns

    def spend_deciding(self, taken_ns: int, read_ns: int, decided_ns: int) -> None:
        """Book the instants at which its group was taken, had its histories and was decided."""
        self.record_ns += taken_ns - self._last_ns
        self.read_ns += read_ns - taken_ns
        self.decide_ns += decided_ns - read_ns
        self._last_ns = decided_ns

    def spend_recording(self) -> None:
        """Book the time since the last stage as recording."""
        now_ns = self._clock.monotonic_ns()
        self.record_ns += now_ns - self._last_ns
        self._last_ns = now_ns

    def tell_decided(self, entry: Entry, decision: Decision, release: Release) -> None:
        """Note what was decided, by what."""
        self.facts.update(
            application_id=str(entry.case_id),
            decision_id=str(entry.decision_id),
            release_hash=release.hash,
            model_hash=release.manifest.model_hash,
            policy_hash=release.manifest.policy_hash,
            outcome=decision.outcome.value,
            reasons=tuple([reason.code for reason in decision.reasons]),
        )

    def end(self) -> Stages:
        """Stage times at the end: those that the caller is told and those of the line."""
        if self._stages is None:
            self._stages = Stages(
                wait_ns=self.wait_ns,
                read_ns=self.read_ns,
                decide_ns=self.decide_ns,
                record_ns=self.record_ns,
                total_ns=self._clock.monotonic_ns() - self._started_ns,
            )
        return self._stages

    def line(self, ending: Ending) -> ApplicationLine:
        """The application's line."""
        submission = self._submission
        return ApplicationLine(
            ending=ending,
            product=submission.product,
            actor_kind=submission.actor.kind.value,
            actor_id=submission.actor.id,
            is_test=submission.is_test,
            stages=self.end(),
            **self.facts,
        )
