"""What may be asked for as a job, over HTTP and on the command line, and what is recorded of it. No workshop here. Edge.

A request leaves open what has a default (the product, the day); the job's arguments leave nothing open, so that a job that runs tomorrow, or
again, does what was asked for today. `settling` makes the one out of the other.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from instant_credit.application.invalid import point_at
from instant_credit.application.product import Name
from instant_credit.canonical import UNREADABLE, ContentHash
from instant_credit.errors import Problem, Refused
from instant_credit.outcome.inbound import BookName

Preset = Literal["steady", "plain", "ordered"]
InferenceName = Literal["approved-only", "exploration-weighted", "parcelling", "fuzzy-augmentation"]
# The name of a shipped document, or the hash of a recorded one.
DocumentName = Annotated[str, Meta(pattern=r"^([0-9a-f]{64}|[a-z][a-z0-9_]{0,62})$")]
TriggerName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
VariableName = Annotated[str, Meta(min_length=1, max_length=64)]

A = TypeVar("A", bound=Struct)
B = TypeVar("B")

# The kinds of inference that infer labels, which prudence goes with.
INFERRING: Final = ("parcelling", "fuzzy-augmentation")
EXPLORING: Final = "exploration-weighted"
TRUSTED_MAX: Final = 100
PRUDENCE_MAX: Final = 20.0

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_WHOLE: Final = "What is told does not go together: see the job's schema."
_FIELD: Final = "This is not what the job's schema allows here."


class JobKind(StrEnum):
    """What a job does."""

    RETRAIN = "retrain"
    JUDGE = "judge"
    MONITOR = "monitor"
    LOOK = "look"
    AUDIT = "audit"
    MONTHS = "months"
    FREEZE = "freeze"


class RetrainRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="retrain", forbid_unknown_fields=True):
    """Train a model on a book; a field left out has the default of `instant-credit train`.

    Attributes
    ----------
    product : hash of the product's document; None = the newest that the book was recorded under.
    known_on : Cases and labels are what was known on this day; None = today.
    labels : what they mean, a shipped definition's name or a recorded one's hash; None = `as_last_seen`.
    trusted : variables that are fitted on although they alone tell the outcome, for they were known in time.
    inference, prudence : how declined applicants are answered for, and how many times as often as equal approved ones they are bad.
    propensity : the attribute that tells by which chance each loan was approved, with inference `exploration-weighted`.
    test_from, test_share, folds : at most one; how the model is tested.
    preset : fit with these parameters; None = those that an inner test chooses.
    segment : calibrate each category of this model variable by itself.
    select_most : select variables first, at most so many; None = no selection.
    search_trials : search for parameters by so many trials; not with a preset.
    judged_by : ask for the model's judgement by these thresholds once it is registered, a shipped name or a hash; None = don't.
    """

    book: BookName
    product: ContentHash | None = None
    known_on: date | None = None
    labels: DocumentName | None = None
    trusted: Annotated[tuple[VariableName, ...], Meta(max_length=TRUSTED_MAX)] = ()
    inference: InferenceName | None = None
    prudence: Annotated[float, Meta(ge=1, le=PRUDENCE_MAX)] | None = None
    propensity: Name | None = None
    test_from: date | None = None
    test_share: Annotated[float, Meta(ge=0.05, le=0.5)] | None = None
    folds: Annotated[int, Meta(ge=2, le=20)] | None = None
    calibration_months: Annotated[int, Meta(ge=1, le=120)] | None = None
    preset: Preset | None = None
    segment: VariableName | None = None
    select_most: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    search_trials: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    judged_by: DocumentName | None = None

    def __post_init__(self) -> None:
        """One test, one way to parameters; prudence and propensity where they have a meaning."""
        if sum(one is not None for one in (self.test_from, self.test_share, self.folds)) > 1:
            raise ValueError("give one of test_from, test_share and folds")
        if self.preset is not None and self.search_trials is not None:
            raise ValueError("give one of preset and search_trials")
        if self.prudence is not None and self.inference not in INFERRING:
            raise ValueError(f"prudence goes with inference {' or '.join(INFERRING)}")
        if self.propensity is not None and self.inference != EXPLORING:
            raise ValueError(f"propensity goes with inference {EXPLORING}")


class JudgeRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="judge", forbid_unknown_fields=True):
    """Judge a candidate model by gates; a field left out has the default of `instant-credit gate judge`.

    Attributes
    ----------
    book : whose loans and Cases it is judged over.
    model : hash of its bundle.
    champion : hash of the release to judge against; "live" is the live one of the model's product, "none" judges against absolute floors;
        None = the live one where there is one.
    thresholds, policy : a shipped name or a hash; the policy decides Cases where there is no champion.
    test_from : loans and Cases from this day on are judged; None = as the model's training tested.
    known_on : labels are what was known on this day; None = today.
    """

    book: BookName
    model: ContentHash
    champion: Annotated[str, Meta(pattern=r"^(live|none|[0-9a-f]{64})$")] | None = None
    thresholds: DocumentName | None = None
    policy: DocumentName | None = None
    test_from: date | None = None
    known_on: date | None = None


class MonitorRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="monitor", forbid_unknown_fields=True):
    """Sketch a book's decided Cases and judge the windows that are over by alert rules, a shipped name or a hash; None = `standard`."""

    book: BookName
    rules: DocumentName | None = None


class LookRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="look", forbid_unknown_fields=True):
    """Look whether what a trigger waits for has come, and have it ask if so."""

    trigger: TriggerName


class AuditRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="audit", forbid_unknown_fields=True):
    """Check the record against its hash chain."""


class MonthsRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="months", forbid_unknown_fields=True):
    """Make the partitions of the coming months."""


class FreezeRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="freeze", forbid_unknown_fields=True):
    """Freeze the days that are over of all experiments without a verdict."""


Request = RetrainRequest | JudgeRequest | MonitorRequest | LookRequest | AuditRequest | MonthsRequest | FreezeRequest
REQUESTS: Final = (
    RetrainRequest,
    JudgeRequest,
    MonitorRequest,
    LookRequest,
    AuditRequest,
    MonthsRequest,
    FreezeRequest,
)


class RetrainArguments(Struct, frozen=True, kw_only=True):
    """A retraining with nothing left open, as it is recorded. Fields are those of the request; documents are named by their hashes.

    `labels` None = `as_last_seen`, in jobs from before there was a choice.
    """

    schema_version: int = 1
    book: str
    product: str
    known_on: date
    labels: str | None = None
    trusted: tuple[str, ...] = ()
    inference: str | None = None
    prudence: float | None = None
    propensity: str | None = None
    test_from: date | None = None
    test_share: float | None = None
    folds: int | None = None
    calibration_months: int | None = None
    preset: str | None = None
    segment: str | None = None
    select_most: int | None = None
    search_trials: int | None = None
    judged_by: str | None = None


class JudgeArguments(Struct, frozen=True, kw_only=True):
    """A judgement with nothing left open. `champion` None = absolute floors."""

    schema_version: int = 1
    book: str
    model: str
    champion: str | None
    thresholds: str
    policy: str | None
    test_from: date | None
    known_on: date


class MonitorArguments(Struct, frozen=True, kw_only=True):
    """A monitoring run with nothing left open."""

    schema_version: int = 1
    book: str
    rules: str


class LookArguments(Struct, frozen=True, kw_only=True):
    """Which trigger is looked at."""

    schema_version: int = 1
    trigger: str


_REQUESTS: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)


def is_hash(told: str) -> bool:
    """Whether a document is named by its content hash."""
    return _HASH.fullmatch(told) is not None


def read_request(raw: bytes) -> Request | Problem:
    """The request in a body, or what is wrong with it; nothing of what was sent is said again."""
    return read_told(raw, _REQUESTS)


def read_told(raw: bytes, decoder: msgspec.json.Decoder[B]) -> B | Problem:
    """What a body tells, or what is wrong with it; nothing of what was sent is said again."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        pointer = point_at(error)
        return Problem(pointer=pointer, code="JOB_FIELD_INVALID", message=_FIELD if pointer else _WHOLE)
    except UNREADABLE:
        return Problem(pointer="", code="BODY_UNREADABLE", message="Send a JSON object.")


def decode_arguments(raw: bytes, kind: type[A]) -> A:
    """The arguments of a recorded job.

    Raises
    ------
    Refused : they are not of this kind.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE as error:
        raise Refused(f"the job's arguments are not {kind.__name__}: {error}") from error
