"""The lender of a journey: takes applications at its desk, and learns what becomes of loans when it became known. Edge.

    loans of before ─► recorded as they were known │ a day's applications ─► Desk.apply ─► lent, or not
    what becomes of loans waits for its day ─► recorded, of loans that we lent (of all loans where everything is seen)

What was not approved is not lent: there is nobody to whom it could be referred. A counter-offer counts as taken, its money in proportion.
"""

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.document import encode_product, hash_layout, hash_product
from instant_credit.application.product import Product
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case
from instant_credit.decision.decision import Outcome
from instant_credit.errors import Problem, Refused
from instant_credit.factory.timemachine.clock import SimulatedClock
from instant_credit.factory.timemachine.loans import Loan, write_body
from instant_credit.outcome.events import RepaymentEvent
from instant_credit.record.commit import commit_entries, commit_events
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.ids import derive_id
from instant_credit.record.pool import Record
from instant_credit.record.repayments import write_event
from instant_credit.record.rows import Entry, EventRow
from instant_credit.record.sealing import bucket_of_person
from instant_credit.underwriting.answers import Answer
from instant_credit.underwriting.course import BOOK, Answered, Submission
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.releases import LiveReleases
from instant_credit.units import Cents, prorate_floor

ACTOR: Final = Actor(kind=ActorKind.JOB, id="timemachine")
CLIENT: Final = "timemachine"

_AT_ONCE: Final = 200
_CASES_AT_ONCE: Final = 2_000
# Nobody waits: a slow machine changes no decision.
_SECONDS: Final = 600.0
_WHOLE: Final = Cents(1)
_ANSWERS: Final = msgspec.json.Decoder(Answer)


class Applied(Struct, frozen=True, kw_only=True, gc=False):
    """An application that was decided: which of the loans it is, its Case, and what was lent, 0 = nothing."""

    loan: int
    case_id: UUID
    lent_cents: Cents
    is_lent: bool


class Lender:
    """One lender with a record of its own.

    Parameters
    ----------
    record : of the journey, empty at first; its clock is `clock`.
    loans : of the source, in order of their day.
    sees_all : whether it learns what became of loans that it did not make.

    Attributes
    ----------
    applied : what was decided so far, in order of the loans.
    known : every loan's events that the lender knows of, by the loan's place.
    releases : what is live.
    """

    def __init__(
        self, record: Record, clock: SimulatedClock, product: Product, loans: Sequence[Loan], *, sees_all: bool
    ) -> None:
        self.record = record
        self.clock = clock
        self.product = product
        self.loans = loans
        self.sees_all = sees_all
        self.applied: list[Applied] = []
        self.known: dict[int, list[RepaymentEvent]] = defaultdict(list)
        self.releases = LiveReleases(record)
        self._product_hash = hash_product(product)
        self._desk = Desk(record, self.releases, report=lambda _: None)
        # What becomes of loans, by the day on which it is known; place and number tell events of one day apart.
        self._waiting: list[tuple[date, int, int, RepaymentEvent]] = []
        self._cases: dict[int, UUID] = {}
        self._scales: dict[int, tuple[Cents, Cents]] = {}

    async def take_over(self, before: date) -> None:
        """Record the loans that were made before the journey, which nobody here decided."""
        await put_document(self.record, DocumentKind.PRODUCT, encode_product(self.product), ACTOR)
        former = [place for place, loan in enumerate(self.loans) if loan.as_of < before]
        for first in range(0, len(former), _CASES_AT_ONCE):
            chunk = former[first : first + _CASES_AT_ONCE]
            entries = [self._write_entry(self.loans[place]) for place in chunk]
            await commit_entries(self.record, entries, ACTOR)
            for place, entry in zip(chunk, entries, strict=True):
                self._cases[place] = entry.case_id
                self._await(place)

    async def apply(self, places: Sequence[int]) -> None:
        """Let the applicants of today apply, and lend what is offered.

        Raises
        ------
        Refused : the door refuses one; the message says why.
        """
        for first in range(0, len(places), _AT_ONCE):
            chunk = places[first : first + _AT_ONCE]
            answers = await asyncio.gather(*[self._desk.apply(self._submit(self.loans[place])) for place in chunk])
            for place, answered in zip(chunk, answers, strict=True):
                self._lend(place, answered)

    async def learn(self) -> None:
        """Record what is known by today and was not yet."""
        today = self.clock.now().date()
        found: dict[UUID, list[EventRow]] = defaultdict(list)
        while self._waiting and self._waiting[0][0] <= today:
            _, place, _, event = heapq.heappop(self._waiting)
            event = self._scale(place, event)
            assert event.event_id is not None
            self.known[place].append(event)
            found[self._cases[place]].append(write_event(event, event.event_id))
        rows = list(found.items())
        for first in range(0, len(rows), _CASES_AT_ONCE):
            told: Mapping[UUID, Sequence[EventRow]] = dict(rows[first : first + _CASES_AT_ONCE])
            await commit_events(self.record, told, ACTOR, self.clock.now())

    async def drain(self) -> None:
        """Return when every commit under way has ended."""
        await self._desk.drain()

    def _submit(self, loan: Loan) -> Submission:
        body = write_body(loan, self.product)
        return Submission(product=self.product.name, body=body, client_id=CLIENT, actor=ACTOR, seconds=_SECONDS)

    def _lend(self, place: int, answered: Answered | tuple[Problem, ...]) -> None:
        loan = self.loans[place]
        if isinstance(answered, tuple):
            raise Refused(f"an application of {loan.as_of} is refused: {answered[0].pointer}: {answered[0].message}")
        answer = _ANSWERS.decode(answered.body)
        is_lent = answer.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER)
        lent = answer.offer.amount_cents if answer.offer is not None else Cents(0)
        self.applied.append(Applied(loan=place, case_id=answer.application_id, lent_cents=lent, is_lent=is_lent))
        self._cases[place] = answer.application_id
        if lent and loan.disbursed_cents:
            self._scales[place] = (lent, loan.disbursed_cents)
        if is_lent or self.sees_all:
            self._await(place)

    def _await(self, place: int) -> None:
        for number, event in enumerate(self.loans[place].events):
            heapq.heappush(self._waiting, (event.known_on, place, number, event))

    def _scale(self, place: int, event: RepaymentEvent) -> RepaymentEvent:
        """The event of the loan that we made, which may be smaller than the one that was asked for."""
        lent, asked = self._scales.get(place, (_WHOLE, _WHOLE))
        if lent == asked:
            return event
        return msgspec.structs.replace(event, amount_cents=prorate_floor(event.amount_cents, lent, asked))

    def _write_entry(self, loan: Loan) -> Entry:
        case = Case(
            product_hash=self._product_hash,
            layout_hash=hash_layout(self.product),
            as_of=loan.as_of,
            facts=loan.facts,
        )
        person_id = self.record.key_ring.person_id_of(loan.person)
        at = datetime.combine(loan.as_of, time(), UTC)
        return Entry(
            person_id=person_id,
            book=BOOK,
            product=self.product.name,
            product_hash=self._product_hash,
            as_of=loan.as_of,
            case_id=derive_id(bucket_of_person(person_id), at, f"{BOOK}\x00{loan.key}".encode()),
            case=encode_canonical(case),
            natural_key=loan.key,
            recorded_at=self.clock.now(),
        )
