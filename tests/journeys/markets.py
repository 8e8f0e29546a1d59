"""A lender in the market, day by day: applications at the real desk, offers taken up, outcomes as they become known, experiments read.

    a day's applicants ─► Desk.apply, one after another ─► offers ─► take_up ─► LifeDesk.accept ─► the course of each loan, told on the day it is known
    the day after: measure_day ─► add_day ─► ReadoutDesk ─► promote ─► approved and activated by a second person

Nothing is drawn here: the world's chance is the market's, ids come out of a seed, and the clock is moved by hand.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import encode_canonical
from instant_credit.experiment.plan import Plan
from instant_credit.experiment.verdict import VerdictKind
from instant_credit.market.applicants import Applicants, draw_applicants
from instant_credit.market.courses import tell_course
from instant_credit.market.instalments import Offers
from instant_credit.market.offers import take_up
from instant_credit.market.telling import Teller
from instant_credit.market.truth import draw_truth
from instant_credit.market.world import World
from instant_credit.outcome.events import RepaymentEvent
from instant_credit.outcome.inbound import InboundEvent, ToldKind, read_json
from instant_credit.policy.document import Policy, decode_policy
from instant_credit.record.documents import put_document
from instant_credit.record.experiment_statistics import add_day
from instant_credit.record.experiments import read_experiment_events
from instant_credit.record.pool import Record
from instant_credit.record.quarantine import Origin
from instant_credit.record.ripening import Followed, measure_day
from instant_credit.underwriting.affording import SpentArm
from instant_credit.underwriting.answers import Answer
from instant_credit.underwriting.books import export_book
from instant_credit.underwriting.course import BOOK, Answered, Caller, Submission
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_promoting import Promoted, promote
from instant_credit.underwriting.experiment_readouts import Memo, ReadoutDesk
from instant_credit.underwriting.experiments import Experiments
from instant_credit.underwriting.life import LifeDesk
from instant_credit.underwriting.outcomes import Intake, Line
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.releases import LiveReleases
from tests.clock import FixedClock
from tests.lending import Documents, with_policy
from tests.releasing import make_terms

ONE, TWO = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))
TELLER: Final = Caller(client_id="shop", actor=Actor(kind=ActorKind.API_KEY, id="key"))
HARMFUL, GOOD = 1, 2
ALL_PPM: Final = 1_000_000
DEARER_PPM: Final = 60_000

_ANSWERS: Final = msgspec.json.Decoder(Answer)


@cache
def dearer(documents: Documents) -> Documents:
    """The release that is live: the shipped policy at prices of six points more."""
    return _with_grid(documents, lambda policy: {"grid": _raise_prices(policy)})


@cache
def open_wide(documents: Documents) -> Documents:
    """The release that does harm: whoever is not knocked out is lent to, whatever his score."""
    return _with_grid(
        documents,
        lambda policy: {
            "cut_offs": replace(policy.cut_offs, approve_below_ppm=990_000, decline_from_ppm=995_000),
            "grid": (*policy.grid[:-1], replace(policy.grid[-1], pd_below_ppm=990_000)),
        },
    )


class Lent(msgspec.Struct, frozen=True, kw_only=True):
    """An offer that was taken: who, by the number of the application, on what terms, and the course of the loan."""

    number: int
    amount_cents: int
    apr_ppm: int
    term_months: int
    events: tuple[RepaymentEvent, ...]


class Market:
    """One lender with one record in one world.

    Parameters
    ----------
    record : without rows; its clock is `clock`.
    documents : the release that is live from the first day.
    """

    def __init__(self, record: Record, clock: FixedClock, world: World, documents: Documents) -> None:
        self.record, self.clock, self.world, self.documents = record, clock, world, documents
        self.teller = Teller(documents.product)
        self.releases = LiveReleases(record)
        self.experiments = Experiments(record)
        self.desk = Desk(
            record, self.releases, report=lambda _: None, experiments=self.experiments, closed=self._note_closing
        )
        self.life = LifeDesk(record)
        self.intake = Intake(record, Origin(source="api", format="json"), TELLER.actor)
        self.lent: dict[UUID, Lent] = {}
        self.numbers: dict[UUID, int] = {}
        self.closed: list[tuple[int, SpentArm]] = []
        self.promoted: tuple[date, Memo, Promoted] | None = None
        self._waiting: dict[date, list[tuple[UUID, RepaymentEvent]]] = defaultdict(list)

    @property
    def today(self) -> date:
        return self.clock.now().date()

    async def open(self) -> None:
        """Make the release live by two persons."""
        await self.approve(self.documents)
        await ReleaseDesk(self.record).activate(self.documents.release_hash, TWO)
        await self.releases.refresh()

    async def approve(self, documents: Documents) -> None:
        """Have a release proposed by one person and approved by another."""
        for kind, raw in documents.parts:
            await put_document(self.record, kind, raw, ONE.actor)
        releases = ReleaseDesk(self.record)
        await releases.propose(documents.release_hash, make_terms(self.today), ONE)
        await releases.approve(documents.release_hash, TWO)

    async def start(self, plan: Plan) -> None:
        """Plan an experiment, and start it on everybody as a second person."""
        desk = ExperimentDesk(self.record)
        planned = await desk.plan(plan, ONE)
        await desk.start(planned.experiment, ALL_PPM, ALL_PPM, TWO)
        await self.experiments.refresh()

    async def live_day(self) -> None:
        """The applications of today and all that is known by tonight; then it is tomorrow, and today is frozen."""
        await self._take_applications()
        await self._tell_outcomes()
        await self.desk.drain()
        day = self.today
        self.clock.advance(timedelta(days=1))
        await self.desk.refresh()
        await self.experiments.refresh()
        lives = await ExperimentDesk(self.record).read_open()
        followed = [Followed(experiment=one.planned.experiment, plan=one.plan) for one in lives]
        if followed:
            assert await add_day(self.record, await measure_day(self.record, day, followed), ONE.actor)

    async def decide(self) -> None:
        """Read the good experiment as of yesterday; where the memo says so, promote its arm and make the release live."""
        memo = await ReadoutDesk(self.record).write_memo(GOOD)
        verdict = memo.readout.verdict
        if verdict.kind is not VerdictKind.PROMOTE:
            return
        assert verdict.arm is not None
        promoted = await promote(self.record, GOOD, verdict.arm, make_terms(self.today), ONE)
        self.promoted = self.today, memo, promoted
        releases = ReleaseDesk(self.record)
        await releases.approve(promoted.release.release, TWO)
        await releases.activate(promoted.release.release, TWO)
        await self.releases.refresh()
        await self.experiments.refresh()

    async def _take_applications(self) -> None:
        applicants = draw_applicants(self.world, self.world.number_of_day(self.today), self.world.applications_per_day)
        answers = [await self._apply(applicants, row) for row in range(len(applicants))]
        rows = np.array([row for row, answer in enumerate(answers) if answer.offer is not None], dtype=np.intp)
        offers = make_offers([answer for answer in answers if answer.offer is not None])
        some = applicants.take(rows)
        truth = draw_truth(self.world, some)
        for place in np.flatnonzero(take_up(self.world, some, truth, offers)):
            answer = answers[rows[place]]
            assert answer.offer is not None
            assert answer.offer.offer_id is not None
            await self.life.accept(answer.application_id, answer.offer.offer_id, TELLER)
            lent = Lent(
                number=int(some.numbers[place]),
                amount_cents=answer.offer.amount_cents,
                apr_ppm=answer.offer.apr_ppm,
                term_months=answer.offer.term_months,
                events=tell_course(self.world, some, truth, offers, int(place)),
            )
            self.lent[answer.application_id] = lent
            for event in lent.events:
                self._waiting[event.known_on].append((answer.application_id, event))

    async def _apply(self, applicants: Applicants, row: int) -> Answer:
        submission = Submission(
            product=self.documents.product.name,
            body=self.teller.encode_body(applicants, row),
            client_id=TELLER.client_id,
            actor=TELLER.actor,
            idempotency_key=f"application {int(applicants.numbers[row])}",
        )
        answered = await self.desk.apply(submission)
        assert isinstance(answered, Answered), answered
        answer = _ANSWERS.decode(answered.body)
        self.numbers[answer.application_id] = int(applicants.numbers[row])
        return answer

    def _note_closing(self, spent: SpentArm, trouble: Exception | None) -> None:
        assert trouble is None, trouble
        self.closed.append((len(self.numbers), spent))

    async def _tell_outcomes(self) -> None:
        told = self._waiting.pop(self.today, [])
        raws = [write_line(application_id, event) for application_id, event in told]
        lines = [
            Line(number=number, raw=raw, told=read_json(raw, self.today)) for number, raw in enumerate(raws, start=1)
        ]
        if lines:
            taken = await self.intake.take(lines)
            assert taken.quarantined == (), taken
            assert taken.recorded == len(lines)

    async def export(self) -> bytes:
        """All that was decided, exposed, repaid, frozen and moved, without ids and times of recording, as canonical bytes."""
        desk, readouts = ExperimentDesk(self.record), ReadoutDesk(self.record)
        memos = [encode_canonical(await readouts.write_memo(number)) for number in (HARMFUL, GOOD)]
        events = [
            encode_canonical((event.experiment, event.number, event.kind, event.arm, event.guardrail, event.reason))
            for event in await read_experiment_events(self.record)
        ]
        states = [encode_canonical(await desk.read(number)) for number in (HARMFUL, GOOD)]
        exposures = [encode_canonical([str(cell) for cell in row.values()]) for row in await self.exposures()]
        return b"\n".join((*await export_book(self.record, BOOK), *memos, *events, *states, *exposures))

    async def exposures(self) -> list[dict[str, Any]]:
        """Every exposure with the number of its application instead of the Case's id, in their order."""
        async with self.record.connection() as connection:
            rows = await connection.fetch("SELECT * FROM exposures")
        told = [
            {"application": self.numbers[row["case_id"]]}
            | {name: cell for name, cell in row.items() if name not in ("case_id", "bucket")}
            for row in rows
        ]
        return sorted(told, key=lambda row: (row["application"], row["experiment"]))


def make_offers(answers: list[Answer]) -> Offers:
    """The terms of answers that offer something, as the market takes them."""
    told = [answer.offer for answer in answers if answer.offer is not None]
    return Offers(
        amounts=np.array([one.amount_cents for one in told], dtype=np.int64),
        aprs=np.array([one.apr_ppm for one in told], dtype=np.int64),
        terms=np.array([one.term_months for one in told], dtype=np.int64),
    )


def write_line(application_id: UUID, event: RepaymentEvent) -> bytes:
    """An event as it is told to the lender from outside."""
    assert event.event_id is not None
    return encode_canonical(
        InboundEvent(
            event_id=event.event_id,
            application_id=application_id,
            kind=ToldKind(event.kind.value),
            amount_cents=event.amount_cents,
            event_on=event.event_on,
            known_on=event.known_on,
            days_past_due=event.days_past_due,
        )
    )


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def _raise_prices(policy: Policy) -> tuple[Any, ...]:
    return tuple(replace(band, apr_ppm=band.apr_ppm + DEARER_PPM) for band in policy.grid)


def _with_grid(documents: Documents, change: Callable[[Policy], dict[str, Any]]) -> Documents:
    """A release of a changed policy, whose first worked example says what it gives."""
    policy = decode_policy(dict(documents.parts)["policy"])
    first = replace(policy.examples[0], expect=replace(policy.examples[0].expect, apr_ppm=None, instalment_cents=None))
    return with_policy(documents, replace(policy, **change(policy), examples=(first,)))
