"""What is told of experiments, and what is asked for when one is moved.

Nothing is computed here. What is told only ever grows; what is asked for is refused when it holds anything unknown.
"""

from datetime import date
from typing import Annotated, Final

from msgspec import Meta, Struct

from instant_credit.access.actors import ActorKind
from instant_credit.experiment.plan import Plan
from instant_credit.record.experiments import Conclusion, ExperimentEvent, ExperimentEventKind
from instant_credit.underwriting.answers import Hash, ProductName
from instant_credit.underwriting.experiment_states import ExperimentLife, ExperimentState
from instant_credit.underwriting.release_resources import Words
from instant_credit.underwriting.resources import Link
from instant_credit.units import Instant

LISTED_MAX: Final = 2_000
EVENTS_MAX: Final = 1_000

Share = Annotated[int, Meta(ge=1, le=1_000_000)]
Bucket = Annotated[int, Meta(ge=0, le=1_000_000)]
Number = Annotated[int, Meta(ge=1, le=1_000_000)]
ArmName = Annotated[str, Meta(max_length=64)]


class Started(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an experiment is started, in ppm: the share of its layer that it claims, and the part of that which is exposed."""

    reach_ppm: Share
    coverage_ppm: Share


class Ramped(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of its share that an experiment exposes from now on, ppm; it only grows."""

    coverage_ppm: Share


class Stopped(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an experiment exposes nobody any more."""

    reason: Words


class ToldReach(Struct, frozen=True, kw_only=True):
    """The layer's buckets [from, to) that an experiment claims, ppm."""

    from_ppm: Bucket
    to_ppm: Bucket


class ToldMove(Struct, frozen=True, kw_only=True):
    """One event of an experiment's life: what happened, when, and who did it.

    `guardrail` closed the arm or stopped the experiment; null = somebody did. `is_single_person` says that no second person took part.
    """

    kind: ExperimentEventKind
    recorded_at: Instant
    actor_kind: ActorKind
    actor_id: Annotated[str, Meta(max_length=64)]
    is_single_person: bool
    reach: ToldReach | None
    coverage_ppm: Bucket | None
    arm: ArmName | None
    guardrail: Annotated[str, Meta(max_length=64)] | None
    verdict: Conclusion | None
    reason: Words | None


class ExperimentLinks(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"own": "self"}):
    """Where an experiment is; `start`, `ramp` and `stop` are there while they can be done."""

    own: Link
    experiments: Link
    start: Link | None = None
    ramp: Link | None = None
    stop: Link | None = None


class ListedExperiment(Struct, frozen=True, kw_only=True):
    """An experiment without its plan and history. `coverage_ppm` is the part of `reach` that is exposed."""

    schema_version: int = 1
    experiment: Number
    plan: Hash
    product: ProductName
    name: ProductName
    title: str
    layer: ProductName
    state: ExperimentState
    reach: ToldReach | None
    coverage_ppm: Bucket
    closed_arms: Annotated[tuple[ArmName, ...], Meta(max_length=8)]
    planned_at: Instant
    started_at: Instant | None
    verdict: Conclusion | None
    links: ExperimentLinks


class ExperimentStatus(Struct, frozen=True, kw_only=True):
    """An experiment as it stands: its plan, locked by its hash, and its last events, oldest first.

    From `entry_ends_on` on nobody new is exposed. `planned_by_kind` and `planned_by` say who planned it, and can't start it.
    """

    schema_version: int = 1
    experiment: Number
    plan: Hash
    product: ProductName
    name: ProductName
    state: ExperimentState
    reach: ToldReach | None
    coverage_ppm: Bucket
    closed_arms: Annotated[tuple[ArmName, ...], Meta(max_length=8)]
    planned_at: Instant
    planned_by_kind: ActorKind
    planned_by: Annotated[str, Meta(max_length=64)]
    started_at: Instant | None
    entry_ends_on: date | None
    verdict: Conclusion | None
    document: Plan
    events: Annotated[tuple[ToldMove, ...], Meta(max_length=EVENTS_MAX)]
    links: ExperimentLinks


class ListedExperiments(Struct, frozen=True, kw_only=True):
    """The newest experiments that were asked for, oldest first."""

    schema_version: int = 1
    experiments: Annotated[tuple[ListedExperiment, ...], Meta(max_length=LISTED_MAX)]


def show_experiment(life: ExperimentLife) -> ExperimentStatus:
    """The experiment as it stands."""
    planned = life.planned
    return ExperimentStatus(
        experiment=planned.experiment,
        plan=planned.plan_hash,
        product=planned.product,
        name=planned.name,
        state=life.state,
        reach=_tell_reach(life.reach),
        coverage_ppm=life.coverage_ppm,
        closed_arms=tuple(life.closed),
        planned_at=planned.recorded_at,
        planned_by_kind=planned.signature.actor.kind,
        planned_by=planned.signature.actor.id,
        started_at=life.started_at,
        entry_ends_on=life.entry_ends_on,
        verdict=life.verdict,
        document=life.plan,
        events=tuple(_tell_event(event) for event in life.events[-EVENTS_MAX:]),
        links=_link(life),
    )


def list_experiment(life: ExperimentLife) -> ListedExperiment:
    """One line of the list."""
    planned = life.planned
    return ListedExperiment(
        experiment=planned.experiment,
        plan=planned.plan_hash,
        product=planned.product,
        name=planned.name,
        title=life.plan.title,
        layer=life.plan.layer,
        state=life.state,
        reach=_tell_reach(life.reach),
        coverage_ppm=life.coverage_ppm,
        closed_arms=tuple(life.closed),
        planned_at=planned.recorded_at,
        started_at=life.started_at,
        verdict=life.verdict,
        links=_link(life),
    )


def _link(life: ExperimentLife) -> ExperimentLinks:
    number = life.planned.experiment
    can = {
        ExperimentState.PLANNED: {"start": Link.to("experiments", number, "start")},
        ExperimentState.RUNNING: {name: Link.to("experiments", number, name) for name in ("ramp", "stop")},
    }.get(life.state, {})
    return ExperimentLinks(own=Link.to("experiments", number), experiments=Link.to("experiments"), **can)


def _tell_reach(reach: tuple[int, int] | None) -> ToldReach | None:
    return None if reach is None else ToldReach(from_ppm=reach[0], to_ppm=reach[1])


def _tell_event(event: ExperimentEvent) -> ToldMove:
    reach = None
    if event.reach_from_ppm is not None and event.reach_to_ppm is not None:
        reach = event.reach_from_ppm, event.reach_to_ppm
    return ToldMove(
        kind=event.kind,
        recorded_at=event.recorded_at,
        actor_kind=event.signature.actor.kind,
        actor_id=event.signature.actor.id,
        is_single_person=event.is_single_person,
        reach=_tell_reach(reach),
        coverage_ppm=event.coverage_ppm,
        arm=event.arm,
        guardrail=event.guardrail,
        verdict=event.verdict,
        reason=event.reason,
    )
