"""Edge. The running experiments of a server: which arms an application draws, and the release that they make.

    events of the record ─► running plans ─► table by product ─► application: eligible? ─► arms ─► composed release ─► exposures

An application is assigned once it is known who applies and what was told, before anything is decided. Keys for tests draw nothing. An arm that
can't be composed takes nobody, nor does its experiment: a split with one side missing would be no split. It is reported, and tried again.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from instant_credit.application.door import Told
from instant_credit.application.facts import Facts
from instant_credit.application.product import Product
from instant_credit.canonical import ContentHash
from instant_credit.decision.decision import Decision, Outcome
from instant_credit.decision.release import Release
from instant_credit.errors import InstantCreditError, Unavailable
from instant_credit.experiment.assignment import Assigned, Assignment, Exposure, Running, Table, assign
from instant_credit.experiment.eligibility import compile_eligible
from instant_credit.experiment.layers import Layers
from instant_credit.experiment.plan import GuardrailKind, Part, Plan, Unit, decode_plan
from instant_credit.policy.operands import Catalogue
from instant_credit.record.documents import get_document
from instant_credit.record.experiments import (
    ExperimentEvent,
    PlannedExperiment,
    count_experiment_events,
    list_experiments,
    read_experiment_events,
)
from instant_credit.record.pool import Record
from instant_credit.record.rows import ExposureRow
from instant_credit.underwriting.experiment_documents import find_layers
from instant_credit.underwriting.experiment_states import ExperimentState, find_state, tell_experiment
from instant_credit.underwriting.overlaying import Overlays
from instant_credit.units import PPM, Cents, Ppm, expected_loss_ceil

UNIT_BYTES: Final = 16
RETRY_NS: Final = 30_000_000_000


class Drew(Struct, frozen=True, kw_only=True):
    """One exposure of an application, ready to be written down: `number` of the experiment, place of the arm, who was drawn, and the
    positions of the plan's segments; -1 = missing. `budget_cents` is what the arm may reserve in all, None = as much as it likes; an answer
    that takes longer than `slow_ns` is slow, None = the plan bounds no latency.
    """

    number: int
    arm: int
    unit_id: bytes
    exposure: Exposure
    segments: tuple[int, ...]
    lost_ppm: Ppm | None
    budget_cents: Cents | None = None
    slow_ns: int | None = None

    @property
    def budget(self) -> str:
        """The key of the arm's loss budget."""
        return f"loss:{self.number}:{self.exposure.arm}"


class Drawn(Struct, frozen=True, kw_only=True):
    """What an application is decided by: its assignment, the release that its arms make, and the live one beneath, None where it is the same."""

    assignment: Assignment
    release: Release
    baseline: Release | None = None
    drew: tuple[Drew, ...] = ()

    @property
    def live(self) -> Release:
        """The live release."""
        return self.baseline or self.release


class NotExposing(Struct, frozen=True, kw_only=True, eq=False):
    """A running experiment that takes nobody, since its plan or an arm of it can't be made, and why."""

    experiment: int
    product: str
    error: Exception
    tried_at_ns: int


class _Open(Struct, frozen=True, kw_only=True, eq=False):
    """One experiment that takes units, ready to ask and to write down."""

    number: int
    plan: Plan
    is_open_to: Callable[[Facts], bool]
    arms: dict[str, int]
    segments: tuple[int, ...]
    lost_ppm: Ppm | None
    budget_cents: Cents | None
    slow_ns: int | None


class _Lanes(Struct, frozen=True, kw_only=True, eq=False):
    """The running experiments of one product, for one version of it."""

    product_hash: str
    table: Table
    open: dict[ContentHash, _Open]
    needs_household: bool


class Experiments:
    """The experiments of a running server.

    Parameters
    ----------
    report : called with every experiment that takes nobody, each time that it was tried.
    """

    def __init__(self, record: Record, report: Callable[[NotExposing], None] = lambda _: None) -> None:
        self._record = record
        self._report = report
        self._overlays = Overlays(record)
        self._seen: tuple[int, int, date] | None = None
        self._running: dict[str, tuple[Running, ...]] = {}
        self._numbers: dict[ContentHash, int] = {}
        self._layers: dict[str, Layers] = {}
        self._lanes: dict[str, _Lanes] = {}
        self._not_exposing: dict[ContentHash, NotExposing] = {}
        self._closed: set[tuple[ContentHash, str]] = set()

    def running(self) -> Mapping[str, Sequence[Running]]:
        """Running experiments by product, as of the last refresh."""
        return self._running

    def not_exposing(self) -> Mapping[int, str]:
        """Why, by number, of every experiment that runs and takes nobody."""
        return {missed.experiment: str(missed.error) for missed in self._not_exposing.values()}

    async def refresh(self) -> None:
        """Read what was planned, started, ramped, closed or stopped since, and what has run out by now.

        Raises
        ------
        Unavailable : the record did not say; everything stays as it was.
        """
        seen = (*await count_experiment_events(self._record), self._record.clock.now().date())
        if seen != self._seen:
            planned = await list_experiments(self._record)
            running = await _read_running(self._record, planned, seen[2])
            layers = {product: (await find_layers(self._record, product))[1] for product in running}
            self._numbers = {one.plan_hash: one.experiment for one in planned}
            self._running, self._layers, self._seen = running, layers, seen
            self._closed &= {
                (one.experiment, arm.name) for own in running.values() for one in own for arm in one.plan.arms
            }
            self._leave_closed()
            self._lanes.clear()
            models = [arm.overlay.get(Part.MODEL) for own in running.values() for one in own for arm in one.plan.arms]
            self._overlays.release_models(frozenset(name for name in models if name is not None))
        now_ns = self._record.clock.monotonic_ns()
        over = [name for name, one in self._not_exposing.items() if now_ns - one.tried_at_ns >= RETRY_NS]
        if over:
            for name in over:
                del self._not_exposing[name]
            self._lanes.clear()

    def close_arm(self, drew: Drew) -> None:
        """Have an arm take nobody any more, here and at once; that the record says so is up to the caller."""
        self._closed.add((drew.exposure.experiment, drew.exposure.arm))
        self._leave_closed()
        self._lanes.clear()

    def is_closed(self, drew: Drew) -> bool:
        """Whether the arm was closed here since it was drawn."""
        return (drew.exposure.experiment, drew.exposure.arm) in self._closed

    async def draw(self, live: Release, told: Told, person_id: bytes, *, is_test: bool) -> Drawn:
        """Assign one application to arms and find the release that they make.

        Parameters
        ----------
        live : the live release of its product.
        is_test : then it draws nothing.

        Raises
        ------
        Unavailable : the record did not answer while an arm was composed for the first time.
        """
        if is_test or live.product.name not in self._running:
            return Drawn(assignment=Assignment(), release=live)
        lanes = self._find_lanes(live)
        household = self._record.key_ring.household_id_of(told.identity.address) if lanes.needs_household else None
        while True:
            assigned = assign(lanes.table, person_id, household, lambda name: self._is_open(lanes, name, told.facts))
            try:
                release = self._overlays.held(live, assigned.overlay) or await self._overlays.compose(
                    live, assigned.overlay
                )
            except Unavailable:
                raise
            except InstantCreditError as error:
                self._set_aside(lanes, assigned, error)
                continue
            units = {Unit.PERSON: person_id, Unit.HOUSEHOLD: household}
            return Drawn(
                assignment=assigned.assignment,
                release=release,
                baseline=None if release is live else live,
                drew=tuple([_tell(lanes, one, units, told.facts) for one in assigned.assignment.exposures]),
            )

    def _leave_closed(self) -> None:
        """Add the arms that were closed here to those that the record says are closed."""
        closed: dict[ContentHash, set[str]] = {}
        for experiment, arm in self._closed:
            closed.setdefault(experiment, set()).add(arm)
        self._running = {
            product: tuple(
                replace(one, closed=tuple(sorted({*one.closed, *closed[one.experiment]})))
                if one.experiment in closed
                else one
                for one in own
            )
            for product, own in self._running.items()
        }

    def _find_lanes(self, live: Release) -> _Lanes:
        """The product's table, made again when its live release has another version of the product."""
        product = live.product
        found = self._lanes.get(product.name)
        if found is None or found.product_hash != live.manifest.product_hash:
            found = self._lanes[product.name] = self._build_lanes(live)
        return found

    def _build_lanes(self, live: Release) -> _Lanes:
        opened: dict[ContentHash, _Open] = {}
        running = []
        for one in self._running[live.product.name]:
            if one.experiment in self._not_exposing:
                continue
            try:
                opened[one.experiment] = _open(self._numbers[one.experiment], one.plan, live.product)
            except (InstantCreditError, KeyError, ValueError) as error:
                self._miss(one.experiment, live.product.name, error)
                continue
            running.append(one)
        return _Lanes(
            product_hash=live.manifest.product_hash,
            table=Table(self._layers[live.product.name], running),
            open=opened,
            needs_household=any(one.plan.unit is Unit.HOUSEHOLD for one in running),
        )

    def _is_open(self, lanes: _Lanes, experiment: ContentHash, facts: Facts) -> bool:
        return experiment not in self._not_exposing and lanes.open[experiment].is_open_to(facts)

    def _set_aside(self, lanes: _Lanes, assigned: Assigned, error: Exception) -> None:
        """Take nobody into the experiments whose arms, laid together, can't be composed."""
        for exposure, arm in zip(assigned.assignment.exposures, assigned.arms, strict=True):
            if arm.overlay:
                self._miss(exposure.experiment, lanes.open[exposure.experiment].plan.product, error)

    def _miss(self, experiment: ContentHash, product: str, error: Exception) -> None:
        missed = NotExposing(
            experiment=self._numbers[experiment],
            product=product,
            error=error,
            tried_at_ns=self._record.clock.monotonic_ns(),
        )
        self._not_exposing[experiment] = missed
        self._report(missed)


def expose(drawn: Drawn, decision: Decision, baseline: Decision | None) -> tuple[ExposureRow, ...]:
    """What is written down of an application's arms.

    Parameters
    ----------
    baseline : what the live release says on the same facts; None = it is what decided.
    """
    if not drawn.drew:
        return ()
    beneath = decision if baseline is None else baseline
    offered = Cents(0) if decision.terms is None else decision.terms.amount_cents
    return tuple(
        ExposureRow(
            experiment=drew.number,
            arm=drew.arm,
            unit_id=drew.unit_id,
            propensity_ppm=drew.exposure.propensity_ppm,
            reach_ppm=drew.exposure.reach_ppm,
            baseline_pd_ppm=beneath.pd_ppm,
            baseline_is_offer=_is_offer(beneath),
            is_offer=_is_offer(decision),
            offered_cents=offered,
            reserved_cents=_reserve(offered, beneath.pd_ppm, drew.lost_ppm),
            segments=drew.segments,
        )
        for drew in drawn.drew
    )


def _reserve(offered: Cents, pd_ppm: Ppm | None, lost_ppm: Ppm | None) -> Cents:
    """By the live release's pd, which no arm can talk down; without a score all of the amount may go bad."""
    return (
        Cents(0) if lost_ppm is None else expected_loss_ceil(offered, Ppm(PPM) if pd_ppm is None else pd_ppm, lost_ppm)
    )


async def _read_running(
    record: Record, planned: Sequence[PlannedExperiment], today: date
) -> dict[str, tuple[Running, ...]]:
    """The experiments that take units today, by product."""
    events: dict[int, list[ExperimentEvent]] = {}
    for event in await read_experiment_events(record):
        events.setdefault(event.experiment, []).append(event)
    found: dict[str, list[Running]] = {}
    for one in planned:
        own = events.get(one.experiment, ())
        if find_state(own) is not ExperimentState.RUNNING:
            continue
        life = tell_experiment(one, decode_plan(await get_document(record, one.plan_hash)), own)
        if life.running is not None and life.entry_ends_on is not None and today < life.entry_ends_on:
            found.setdefault(one.product, []).append(life.running)
    return {product: tuple(own) for product, own in found.items()}


def _open(number: int, plan: Plan, product: Product) -> _Open:
    catalogue = Catalogue(product)
    budget = next((one for one in plan.guardrails if one.kind is GuardrailKind.LOSS_BUDGET), None)
    latency = next((one for one in plan.guardrails if one.kind is GuardrailKind.LATENCY_P99), None)
    return _Open(
        number=number,
        plan=plan,
        is_open_to=compile_eligible(plan, product),
        arms={arm.name: place for place, arm in enumerate(plan.arms)},
        segments=tuple(catalogue.attribute_operand(one.attribute).positions[0] for one in plan.segments),
        lost_ppm=None if budget is None or budget.lost_ppm is UNSET else Ppm(budget.lost_ppm),
        budget_cents=None if budget is None else Cents(budget.bound),
        slow_ns=None if latency is None else latency.bound,
    )


def _tell(lanes: _Lanes, exposure: Exposure, units: Mapping[Unit, bytes | None], facts: Facts) -> Drew:
    one = lanes.open[exposure.experiment]
    unit, arm = units[one.plan.unit], one.arms[exposure.arm]
    assert unit is not None
    return Drew(
        number=one.number,
        arm=arm,
        unit_id=unit[:UNIT_BYTES],
        exposure=exposure,
        segments=tuple([facts.codes[position] for position in one.segments]),
        lost_ppm=one.lost_ppm,
        # The control is the live release itself, whose approvals would be made without the experiment.
        budget_cents=one.budget_cents if arm > 0 else None,
        slow_ns=one.slow_ns,
    )


def _is_offer(decision: Decision) -> bool:
    return decision.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER)
