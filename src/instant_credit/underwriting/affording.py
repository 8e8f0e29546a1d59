"""Affording: what an application is decided on, so that what its decision reserves is there.

    Cases ─► decide_many, release by release, and the live release beside it ─► what each reserves, to the cent ─► held (purses)
       ▲                                                                                               ├─ too little left of a loss budget:
       ├────────────────────────────── drawn again, without that arm ◄─── the arm is closed ◄──────────┤
       ├────────────────────────────── the Case names the closed caps, and is referred ◄───────────────┼─ of a portfolio cap
       └────────────────────────────── the Case was not drawn ◄────── the programme is closed ◄────────┴─ of an exploration

Deciding is pure and quick, so what an offer reserves is known before money is asked for: no more is held than is recorded. What is recorded is the
Case that decided at last, with the arms that it was decided by.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from instant_credit.application.door import Told
from instant_credit.canonical import ContentHash
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.decision import Decision, Outcome
from instant_credit.decision.release import Release
from instant_credit.experiment.caps import tell_closed
from instant_credit.record.pool import Record
from instant_credit.record.rows import ExposureRow
from instant_credit.underwriting.course import Course, Submission
from instant_credit.underwriting.experiments import Drawn, Drew, Experiments, expose
from instant_credit.underwriting.exploring import Explorations
from instant_credit.underwriting.gathering import gather_histories
from instant_credit.underwriting.portfolio import Portfolio, want_of_caps
from instant_credit.underwriting.purses import Hold, Purses, Want
from instant_credit.units import Cents, Ppm

OFFERS: Final = (Outcome.APPROVE, Outcome.COUNTER_OFFER)


class Waiting(Struct, frozen=True, kw_only=True):
    """An application that passed the door at `now`, of the person `person_id`, to be decided by what it drew."""

    submission: Submission
    drawn: Drawn
    told: Told
    person_id: bytes
    now: datetime
    course: Course

    @property
    def release(self) -> Release:
        """Decides it."""
        return self.drawn.release


class Frozen(Struct, frozen=True, kw_only=True):
    """An application's Case, and its number where it is decided on its person's history."""

    waiting: Waiting
    case: Case
    number: int | None


class Afforded(Struct, frozen=True, kw_only=True):
    """What was decided, the pd that the live release gives, what is written down of its arms, and what is held for it; None = it reserves nothing.
    `used` is what of that a commit reserves, by budget; None = all.
    """

    frozen: Frozen
    decision: Decision
    pd_ppm: Ppm | None
    exposures: tuple[ExposureRow, ...]
    hold: Hold | None = None
    used: Mapping[str, Cents] | None = None


class _Short(Struct, frozen=True, kw_only=True):
    """What an application does not fit into: arms, with what it would have reserved of each, caps by name, the programme that explored it."""

    arms: tuple[tuple[Drew, Cents], ...] = ()
    caps: tuple[str, ...] = ()
    programme: ContentHash | None = None


class SpentArm(Struct, frozen=True, kw_only=True):
    """An arm whose loss budget an approval did not fit into any more, by the number of its experiment."""

    experiment: int
    arm: str
    wanted_cents: Cents
    budget_cents: Cents


class Affording:
    """Decides applications within their money.

    Parameters
    ----------
    experiments : draw anew for whom an arm was closed.
    purses : hold the money.
    portfolio : the caps of the day.
    explorations : the programmes that draw.
    spent : called once with every arm that this process closes; must return at once.
    """

    def __init__(
        self,
        record: Record,
        experiments: Experiments,
        purses: Purses,
        portfolio: Portfolio,
        explorations: Explorations,
        *,
        spent: Callable[[SpentArm], None],
    ) -> None:
        self._record = record
        self._experiments = experiments
        self._purses = purses
        self._portfolio = portfolio
        self._explorations = explorations
        self._spent = spent

    async def freeze(self, group: Sequence[Waiting]) -> list[Frozen]:
        """Each one's Case."""
        histories = await gather_histories(self._record, group)
        frozen = []
        for waiting, gathered in zip(group, histories, strict=True):
            case = Case(
                product_hash=waiting.release.manifest.product_hash,
                layout_hash=waiting.release.layout_hash,
                as_of=waiting.now.date(),
                facts=waiting.told.facts,
                history=UNSET if gathered is None else gathered[0],
                assignment=self._explorations.draw(
                    waiting.drawn.assignment, waiting.submission, waiting.person_id, waiting.now.date()
                ),
            )
            frozen.append(Frozen(waiting=waiting, case=case, number=None if gathered is None else gathered[1]))
        return frozen

    async def decide(self, group: Sequence[Frozen]) -> list[Afforded]:
        """The decision on each one, in order, with its money held.

        Raises
        ------
        Unavailable : the record did not answer while money was leased or an arm drawn; nothing is held.
        """
        afforded: dict[int, Afforded] = {}
        waiting = dict(enumerate(group))
        try:
            while waiting:
                again: dict[int, Frozen] = {}
                for place, judged in zip(waiting, judge(list(waiting.values())), strict=True):
                    held = await self._hold(judged)
                    if isinstance(held, Afforded):
                        afforded[place] = held
                    else:
                        again[place] = await self._change(judged.frozen, held)
                waiting = again
        except BaseException:
            self.let_go(afforded.values())
            raise
        return [afforded[place] for place in range(len(group))]

    def let_go(self, group: Iterable[Afforded]) -> None:
        """Give back what is held for those that are certainly not recorded."""
        for one in group:
            if one.hold is not None:
                self._purses.settle(one.hold, {})

    def spend(self, group: Iterable[Afforded]) -> None:
        """Keep what is held for those that are recorded."""
        for one in group:
            if one.hold is not None:
                self._purses.settle(one.hold, one.used)

    async def _hold(self, judged: Afforded) -> Afforded | _Short:
        """With its money held; or what it does not fit into. A cap is asked first, since who is referred by one reserves nothing, and a programme
        before an arm: who is declined after all closes none.
        """
        arms = [
            (drew, Cents(row.reserved_cents))
            for drew, row in zip(judged.frozen.waiting.drawn.drew, judged.exposures, strict=True)
            if drew.budget_cents is not None
        ]
        caps = self._find_caps(judged)
        if isinstance(caps, _Short):
            return caps
        explored = self._explorations.find_wanted(judged.frozen.waiting.submission.product, judged.decision)
        if isinstance(explored, str):
            return _Short(programme=explored)
        if not arms and not caps and explored is None:
            return judged
        gone = tuple((drew, cents) for drew, cents in arms if self._experiments.is_closed(drew))
        if gone:
            return _Short(arms=gone)
        wants = {key: want for key, (_, want) in caps.items()}
        for drew, cents in arms:
            if cents and drew.budget_cents is not None:
                wants[drew.budget] = Want(cents=cents, cap_cents=drew.budget_cents)
        used = None
        if explored is not None:
            used = {key: want.cents for key, want in wants.items()} | {explored.key: explored.reserved_cents}
            wants[explored.key] = explored.want
        if not wants:
            return judged
        held = await self._purses.hold(wants)
        if isinstance(held, Hold):
            return replace(judged, hold=held, used=used)
        closed = tuple(caps[key][0] for key in held if key in caps)
        if closed:
            return _Short(caps=closed)
        if explored is not None and explored.key in held:
            return _Short(programme=explored.programme)
        return _Short(arms=tuple(one for one in arms if one[0].budget in held))

    def _find_caps(self, judged: Afforded) -> Mapping[str, tuple[str, Want]] | _Short:
        """What it wants of each cap by key, with the cap's name; those that have no room whatever it wants."""
        waiting, decision = judged.frozen.waiting, judged.decision
        if decision.outcome not in OFFERS or waiting.submission.is_test:
            return {}
        held = self._portfolio.find(waiting.drawn.live)
        if held is None:
            return {}
        if held.table is None:
            return _Short(caps=tuple(cap.name for cap in held.caps.caps))
        return want_of_caps(held, judged.frozen.case.facts, decision, judged.pd_ppm, waiting.now.date())

    async def _change(self, frozen: Frozen, short: _Short) -> Frozen:
        """The application as it is decided after all."""
        if short.programme is not None:
            self._explorations.close(frozen.waiting.submission.product, short.programme)
            assert frozen.case.assignment is not UNSET
            assignment = replace(frozen.case.assignment, exploration=UNSET)
            return replace(frozen, case=replace(frozen.case, assignment=assignment))
        if not short.caps:
            return await self._draw_again(frozen.waiting, short.arms)
        held = self._portfolio.find(frozen.waiting.drawn.live)
        assert held is not None
        return replace(frozen, case=replace(frozen.case, closed_caps=tell_closed(held.caps, short.caps)))

    async def _draw_again(self, waiting: Waiting, spent: Sequence[tuple[Drew, Cents]]) -> Frozen:
        """The application as it is drawn once these arms are closed."""
        for drew, cents in spent:
            if not self._experiments.is_closed(drew):
                assert drew.budget_cents is not None
                self._experiments.close_arm(drew)
                self._spent(
                    SpentArm(
                        experiment=drew.number,
                        arm=drew.exposure.arm,
                        wanted_cents=cents,
                        budget_cents=drew.budget_cents,
                    )
                )
        live = waiting.drawn.baseline or waiting.drawn.release
        drawn = await self._experiments.draw(live, waiting.told, waiting.person_id, is_test=waiting.submission.is_test)
        (frozen,) = await self.freeze([replace(waiting, drawn=drawn)])
        return frozen


def judge(group: Sequence[Frozen]) -> list[Afforded]:
    """What each one's release says, and what is written down of its arms beside what the live release says; nothing is held yet."""
    cases = [frozen.case for frozen in group]
    decisions = decide_all(cases, [frozen.waiting.release for frozen in group])
    beneath = {place: frozen.waiting.drawn.baseline for place, frozen in enumerate(group)}
    asked = [(place, release) for place, release in beneath.items() if release is not None]
    said = decide_all([cases[place] for place, _ in asked], [release for _, release in asked])
    baselines = dict(zip([place for place, _ in asked], said, strict=True))
    return [
        Afforded(
            frozen=frozen,
            decision=decision,
            pd_ppm=baselines.get(place, decision).pd_ppm,
            exposures=expose(frozen.waiting.drawn, decision, baselines.get(place)),
        )
        for place, (frozen, decision) in enumerate(zip(group, decisions, strict=True))
    ]


def decide_all(cases: Sequence[Case], releases: Sequence[Release]) -> list[Decision]:
    """The Decision on each Case by its own release, in order."""
    places: dict[str, list[int]] = {}
    for place, release in enumerate(releases):
        places.setdefault(release.hash, []).append(place)
    decided: dict[int, Decision] = {}
    for own in places.values():
        decided.update(zip(own, decide_many([cases[place] for place in own], releases[own[0]]), strict=True))
    return [decided[place] for place in range(len(cases))]
