"""Edge. What is written and read back: rows of the record, opened."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

SAMPLING_WEIGHT_MAX: Final = 1e9


class EventRow(Struct, frozen=True, kw_only=True):
    """One dated repayment event, as `outcome.events.RepaymentEvent` has it. `number` is that of the event among those of its Case that were
    judged on their history (`outcomes.add_judged_events`); it stands once. None = it came with a tape.
    """

    event_id: UUID
    kind: str
    amount_cents: int
    event_on: date
    known_on: date
    days_past_due: int | None = None
    corrects: UUID | None = None
    number: int | None = None


class ExposureRow(Struct, frozen=True, kw_only=True):
    """That an application drew an arm of an experiment.

    Attributes
    ----------
    experiment : the number of the experiment; `arm` : the place of the arm in its plan, 0 = the control.
    unit_id : 16 bytes that name the randomised unit, a person or a household.
    propensity_ppm : chance of this arm given that the unit is exposed; `reach_ppm` : chance of being exposed at all.
    baseline_pd_ppm, baseline_is_offer : what the live release says without the arm; None = it could compute no score.
    is_offer, offered_cents : whether something was offered, and how much; cents, 0 without an offer or where nothing is priced.
    reserved_cents : upper bound of what may be lost, taken out of the arm's budget; 0 without one.
    segments : position of the category of each declared segment attribute, -1 = missing; in the order of the plan.
    """

    experiment: int
    arm: int
    unit_id: bytes
    propensity_ppm: int
    reach_ppm: int
    baseline_pd_ppm: int | None
    baseline_is_offer: bool
    is_offer: bool
    offered_cents: int
    reserved_cents: int = 0
    segments: tuple[int, ...] = ()


class Entry(Struct, frozen=True, kw_only=True):
    """One Case with what belongs to it, ready to be recorded whole or not at all.

    Attributes
    ----------
    person_id : 32 bytes (`KeyRing.person_id_of`); its bucket is the bucket of `case_id` and `decision_id`.
    identity, case, monitoring, decision, answer : canonical bytes, in the clear; `commit` seals them. None = there is none.
    natural_key : what tells rows of a tape apart, without personal data; None for an application.
    decision_id, release_hash, outcome : set with `decision`, and only then.
    sampling_weight : how many loans of the population the Case stands for; above 0, at most `SAMPLING_WEIGHT_MAX`.
    client_id : whose application it was; None for a job.
    idempotency_key, body_mac : set together; they need a client, a decision and an answer.
    person_number : the number of the application among the person's in its book, where it was decided on their history; it stands once.
    stage_ns : durations of the stages, nanoseconds.
    """

    person_id: bytes
    identity: bytes | None = None
    book: str
    product: str
    product_hash: str
    as_of: date
    case_id: UUID
    case: bytes
    monitoring: bytes | None = None
    natural_key: str | None = None
    sampling_weight: float = 1.0
    decision_id: UUID | None = None
    decision: bytes | None = None
    release_hash: str | None = None
    outcome: str | None = None
    answer: bytes | None = None
    client_id: str | None = None
    idempotency_key: str | None = None
    body_mac: bytes | None = None
    person_number: int | None = None
    events: tuple[EventRow, ...] = ()
    exposures: tuple[ExposureRow, ...] = ()
    recorded_at: datetime
    stage_ns: tuple[int, ...] = ()


class Committed(Struct, frozen=True, kw_only=True):
    """What became of an entry.

    `kind` is "recorded" (written now), "existing" (the first one stands, nothing of this one was written) or "outrun" (another application
    took its `person_number`; nothing was written, and the rest tells nothing). `case_id`,
    `decision_id`, `answer` and `body_mac` are those that stand in the record; `body_mac` None = no idempotency key.
    """

    kind: str
    case_id: UUID
    decision_id: UUID | None = None
    answer: bytes | None = None
    body_mac: bytes | None = None


class FirstAnswer(Struct, frozen=True, kw_only=True):
    """The first answer to an idempotency key; `answer` None = the person was erased since."""

    decision_id: UUID
    body_mac: bytes
    answer: bytes | None


class StoredDecision(Struct, frozen=True, kw_only=True):
    """A Decision with its Case. `case`, `decision` and `answer` are None when the person was erased (`is_erased`)."""

    person_id: bytes
    decision_id: UUID
    case_id: UUID
    book: str
    product: str
    product_hash: str
    release_hash: str
    outcome: str
    as_of: date
    case: bytes | None
    decision: bytes | None
    answer: bytes | None
    is_erased: bool
    client_id: str | None
    stage_ns: tuple[int, ...]
    recorded_at: datetime


class StoredCase(Struct, frozen=True, kw_only=True):
    """A Case of a book with its events and, when it was decided, its Decision. `case` and `decision` None = erased or none.

    `sampling_weight` is how many loans of the population the Case stands for.
    """

    case_id: UUID
    person_id: bytes
    natural_key: str | None
    product: str
    product_hash: str
    as_of: date
    case: bytes | None
    is_erased: bool
    sampling_weight: float = 1.0
    events: tuple[EventRow, ...] = ()
    decision_id: UUID | None = None
    decision: bytes | None = None
    release_hash: str | None = None


class LifeRow(Struct, frozen=True, kw_only=True):
    """What happened to an application after its decision; `offer_id` of an accepted offer."""

    kind: str
    offer_id: UUID | None
    recorded_at: datetime


class StoredShadow(Struct, frozen=True, kw_only=True):
    """A recorded shadow decision; `decision` None = the person was erased."""

    case_id: UUID
    release_hash: str
    outcome: str
    decision: bytes | None
    recorded_at: datetime


class HeldCase(Struct, frozen=True, kw_only=True):
    """All that is recorded of one Case, opened. `identity`, `case`, `monitoring`, `decision` and `answer` None = erased (`is_erased`),
    or there is none.
    """

    case_id: UUID
    book: str
    natural_key: str | None
    product: str
    product_hash: str
    as_of: date
    is_erased: bool
    identity: bytes | None
    case: bytes | None
    monitoring: bytes | None
    actor_kind: str
    actor_id: str
    recorded_at: datetime
    decision_id: UUID | None
    release_hash: str | None
    client_id: str | None
    outcome: str | None
    decision: bytes | None
    answer: bytes | None
    decided_at: datetime | None
    events: tuple[EventRow, ...]
    life: tuple[LifeRow, ...]
    shadows: tuple[StoredShadow, ...] = ()


class HeldDraft(Struct, frozen=True, kw_only=True):
    """A version of a draft, opened; `body` None = erased."""

    draft_id: UUID
    number: int
    product: str
    client_id: str
    is_test: bool
    body: bytes | None
    recorded_at: datetime


class HeldLine(Struct, frozen=True, kw_only=True):
    """A told event of the person's that was not taken, opened; `raw` None = erased."""

    quarantine_id: UUID
    case_id: UUID
    code: str
    message: str
    raw: bytes | None
    recorded_at: datetime


class BookCount(Struct, frozen=True, kw_only=True):
    """A book and how much it holds."""

    book: str
    product: str
    cases: int
    decisions: int
    first_as_of: date
    last_as_of: date


class BookProduct(Struct, frozen=True, kw_only=True):
    """A version of a product under which Cases of a book were recorded."""

    product: str
    product_hash: str
