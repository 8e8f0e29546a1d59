"""What an applicant's client is answered. The first answer's bytes are kept, so these Structs only ever grow."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from instant_credit.decision.decision import REASONS_MAX, Decision, Outcome, Reason
from instant_credit.errors import Problem
from instant_credit.units import Cents, Ppm

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
ProductName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,62}$")]
VARIABLES_MAX: Final = 5000
ERRORS_MAX: Final = 2000


class Offer(Struct, frozen=True, kw_only=True):
    """What is offered. `amount_cents` is below what was asked for in a counter-offer.

    `offer_id` accepts it, before `expires_at`; both are null in answers from before offers had them.
    """

    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    amount_cents: Cents
    term_months: int
    apr_ppm: Ppm
    instalment_cents: Cents
    offer_id: UUID | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class Timings(Struct, frozen=True, kw_only=True):
    """Nanoseconds until the answer was written down; what follows is in the response's Server-Timing."""

    read: int
    decide: int


class Answer(Struct, frozen=True, kw_only=True):
    """A decided application.

    `offer` is set for approve and counter_offer; where the product knows no amount and term an approval says that the applicant is
    eligible, and `offer` is null. `reasons` are the principal reasons of every other answer than approve;
    `pd_ppm` (probability of default) and `points` are missing when no score could be computed.
    """

    schema_version: int = 1
    application_id: UUID
    decision_id: UUID
    recorded_at: Annotated[datetime, Meta(tz=True)]
    product: ProductName
    release: Hash
    outcome: Outcome
    offer: Offer | None
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=REASONS_MAX)]
    pd_ppm: Ppm | None
    points: int | None
    timings_ns: Timings


class Contribution(Struct, frozen=True, kw_only=True):
    """How much one variable moved this applicant's log-odds of default: positive raises the risk."""

    variable: ProductName
    log_odds: float


class RecordedDecision(Struct, frozen=True, kw_only=True):
    """A Decision with its envelope and its contributions by name.

    `expected_log_odds` of the decision plus all contributions is the raw score.
    """

    schema_version: int = 1
    application_id: UUID
    decision_id: UUID
    recorded_at: Annotated[datetime, Meta(tz=True)]
    product: ProductName
    release: Hash
    decision: Decision
    contributions: Annotated[tuple[Contribution, ...], Meta(max_length=VARIABLES_MAX)]


class Ready(Struct, frozen=True, kw_only=True):
    """The server can decide: its record answers and the named releases are live.

    `not_loaded` names the releases that were activated and could not be loaded: their products are decided by the former release,
    where `releases` names one, and not at all otherwise.
    """

    status: str
    releases: dict[str, str]
    not_loaded: dict[str, str]


class Live(Struct, frozen=True, kw_only=True):
    """The server runs."""

    status: str


class ProblemDocument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Problem details of RFC 9457, with every wrong field under `errors`."""

    type: Annotated[str, Meta(max_length=100)]
    title: Annotated[str, Meta(max_length=100)]
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(max_length=400)] = ""
    instance: Annotated[str, Meta(max_length=60)] = ""
    errors: Annotated[tuple[Problem, ...], Meta(max_length=ERRORS_MAX)] = ()


class AnswerIds(Struct, frozen=True, kw_only=True):
    """What every answer ever written can be found by."""

    application_id: UUID
    decision_id: UUID


_ENCODER = msgspec.json.Encoder()
_IDS = msgspec.json.Decoder(AnswerIds)


def encode_answer(answer: Answer | RecordedDecision) -> bytes:
    """The answer as JSON in declared order."""
    return _ENCODER.encode(answer)


def read_ids(answer: bytes) -> AnswerIds:
    """The ids in the bytes of an `Answer` of any version."""
    return _IDS.decode(answer)
