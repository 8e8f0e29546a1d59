"""The life of experiments: planned, started by a second person, ramped, arms closed, stopped, concluded.

    read (plan and events) ─► judge at the clock ─► may the releases of its arms decide? ─► the next event, by its number ─► the experiment
                                                                                                                              as it stands then

Whoever loses a race reads again and is judged by what stands, so of two moves at the same instant exactly one is made first; of two starts
on the same buckets, too.
"""

import asyncio
from collections.abc import Callable
from itertools import groupby
from typing import Final

from instant_credit.access.actors import Actor
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import hash_content
from instant_credit.errors import BrokenInvariant, Conflict, NotFound
from instant_credit.experiment.eligibility import check_depth
from instant_credit.experiment.layers import Layers
from instant_credit.experiment.plan import Plan, decode_plan, encode_plan, read_plan
from instant_credit.experiment.planner import Schedule, plan_duration
from instant_credit.record.documents import DocumentKind, get_documents, put_document
from instant_credit.record.experiments import (
    Conclusion,
    ExperimentEvent,
    PlannedExperiment,
    add_experiment_event,
    list_experiments,
    plan_experiment,
    read_experiment_events,
)
from instant_credit.record.pool import Record, within
from instant_credit.underwriting import experiment_moves as moves
from instant_credit.underwriting.course import APPLICATION_SECONDS
from instant_credit.underwriting.experiment_documents import find_layers, put_layers, require_plan
from instant_credit.underwriting.experiment_moves import ExperimentConflict, Judge, Move, refuse
from instant_credit.underwriting.experiment_resources import (
    LISTED_MAX,
    ExperimentStatus,
    ListedExperiments,
    list_experiment,
    show_experiment,
)
from instant_credit.underwriting.experiment_states import (
    ExperimentLife,
    ExperimentState,
    find_state,
    tell_experiment,
)
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.units import PPM

# Whoever loses more races than experiments are moved in a moment has found a bug.
_ROUNDS_MAX: Final = 32
PLANS_HELD_MAX: Final = 10_000
"""Plans that a desk holds; a plan never changes."""
SCHEDULES_HELD_MAX: Final = 2_000
"""Schedules that a desk holds, by plan, reach and coverage."""


class ExperimentDesk:
    """Reads experiments and moves them.

    Parameters
    ----------
    record : the open system of record.

    Every move raises `NotFound` for an experiment that was not planned, `ExperimentConflict` for what is impossible as things stand,
    `ExperimentRefused` for what is wrong in itself, and `Unavailable` when the record does not answer: then the move may have been made, and
    may be repeated.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._releases = ReleaseDesk(record)
        self._plans: dict[str, Plan] = {}
        self._schedules: dict[tuple[str, int, int], Schedule] = {}

    async def list_experiments(
        self, product: str | None = None, state: ExperimentState | None = None
    ) -> ListedExperiments:
        """The newest `LISTED_MAX` experiments of a product, or of all, in a state, or in any; oldest first."""
        async with within(APPLICATION_SECONDS):
            lives = await self._read_lives(
                lambda one, found: product in (None, one.product) and state in (None, found), LISTED_MAX
            )
        return ListedExperiments(experiments=tuple(list_experiment(life) for life in lives))

    async def read(self, experiment: int) -> ExperimentStatus:
        """The experiment as it stands."""
        return await self._show(await self.read_life(experiment))

    async def read_life(self, experiment: int) -> ExperimentLife:
        """The same, as it is computed."""
        async with within(APPLICATION_SECONDS):
            found = [one for one in await list_experiments(self._record) if one.experiment == experiment]
            if not found:
                raise NotFound("experiment", str(experiment))
            events = await read_experiment_events(self._record, experiment)
            (plan,) = await self._read_plans([found[0].plan_hash])
        return tell_experiment(found[0], plan, events)

    async def plan(self, told: Plan | str, by: Signature) -> ExperimentStatus:
        """Check a plan, a document or its TOML, and give it a number; the one that it has when it was planned before.

        Raises
        ------
        Refused : the text is no plan.
        """
        plan = read_plan(told) if isinstance(told, str) else told
        if problems := check_depth(plan):
            refuse(problems)
        raw = encode_plan(plan)
        known = await list_experiments(self._record)
        for one in known:
            if one.plan_hash == hash_content(raw):
                return await self.read(one.experiment)
        if any((one.product, one.name) == (plan.product, plan.name) for one in known):
            raise _name_taken(plan)
        await require_plan(self._record, plan, self._releases, by.actor)
        async with within(APPLICATION_SECONDS):
            plan_hash = await put_document(self._record, DocumentKind.PLAN, raw, by.actor)
            try:
                planned = await plan_experiment(
                    self._record,
                    plan_hash=plan_hash,
                    product=plan.product,
                    name=plan.name,
                    by=by,
                    now=self._record.clock.now(),
                )
            except Conflict:
                raise _name_taken(plan) from None
        return await self.read(planned.experiment)

    async def start(
        self, experiment: int, coverage_ppm: int, reach_ppm: int, by: Signature, *, is_single_person: bool = False
    ) -> ExperimentStatus:
        """Start a planned experiment on a free range of its layer, as another person than planned it; releases and layers are checked anew.

        Parameters
        ----------
        coverage_ppm : part of the range that is exposed.
        reach_ppm : width of the range.
        is_single_person : whoever planned it starts it, too, which the event says.
        """
        move = Move(by=by, is_single_person=is_single_person)
        for _ in range(_ROUNDS_MAX):
            life = await self.read_life(experiment)
            if moves.is_started(move, life, coverage_ppm, reach_ppm):
                return await self._show(life)
            layers = await require_plan(self._record, life.plan, self._releases, by.actor)
            event = moves.start(
                move,
                life,
                self._record.clock.now(),
                others=await self.read_running(),
                layer=layers.layer(life.plan.layer),
                coverage_ppm=coverage_ppm,
                reach_ppm=reach_ppm,
            )
            if (told := await self._add(life, event)) is not None:
                return told
        raise _never_won()

    async def ramp(self, experiment: int, coverage_ppm: int, by: Signature) -> ExperimentStatus:
        """Cover more of the experiment's range."""
        return await self._advance(experiment, moves.ramp(Move(by=by), coverage_ppm))

    async def close_arm(
        self, experiment: int, arm: str, by: Signature, reason: str, guardrail: str | None = None
    ) -> ExperimentStatus:
        """Have an arm take nobody from the next decision on; with the last one beside the control the experiment stops."""
        move = Move(by=by, reason=reason)
        told = await self._advance(experiment, moves.close_arm(move, arm, guardrail))
        life = await self.read_life(experiment)
        if life.open_arms or life.stop is not None:
            return told
        return await self._advance(experiment, moves.stop(move, guardrail))

    async def stop(self, experiment: int, by: Signature, reason: str, guardrail: str | None = None) -> ExperimentStatus:
        """Expose nobody any more; the range is free again."""
        return await self._advance(experiment, moves.stop(Move(by=by, reason=reason), guardrail))

    async def conclude(self, experiment: int, verdict: Conclusion, by: Signature, reason: str) -> ExperimentStatus:
        """End the experiment with a verdict."""
        return await self._advance(experiment, moves.conclude(Move(by=by, reason=reason), verdict))

    async def read_running(self) -> tuple[ExperimentLife, ...]:
        """Every running experiment, in order of numbers."""
        async with within(APPLICATION_SECONDS):
            return await self._read_lives(lambda _, state: state is ExperimentState.RUNNING)

    async def read_open(self) -> tuple[ExperimentLife, ...]:
        """Every experiment that runs or was stopped and has no verdict yet, in order of numbers."""
        async with within(APPLICATION_SECONDS):
            return await self._read_lives(lambda _, state: state in (ExperimentState.RUNNING, ExperimentState.STOPPED))

    async def read_layers(self, product: str) -> tuple[str, Layers]:
        """Hash of the product's layers, and the layers: those recorded last, else the shipped ones. Raises NotFound when neither are there."""
        async with within(APPLICATION_SECONDS):
            return await find_layers(self._record, product)

    async def put_layers(self, layers: Layers, actor: Actor) -> str:
        """Record the layers of a product, which hold from then on; their hash.

        Raises
        ------
        ExperimentConflict : running experiments would not keep what they claim.
        Refused : they don't fit the product.
        """
        return await put_layers(self._record, layers, await self.read_running(), actor)

    async def _advance(self, experiment: int, judge: Judge) -> ExperimentStatus:
        """The experiment after the event that `judge` asks for, or as it is when it asks for none."""
        for _ in range(_ROUNDS_MAX):
            life = await self.read_life(experiment)
            event = judge(life, self._record.clock.now())
            if event is None:
                return await self._show(life)
            if (told := await self._add(life, event)) is not None:
                return told
        raise _never_won()

    async def _add(self, life: ExperimentLife, event: ExperimentEvent) -> ExperimentStatus | None:
        """The experiment with the event; None when the race was lost."""
        async with within(APPLICATION_SECONDS):
            if not await add_experiment_event(self._record, event):
                return None
        return await self._show(tell_experiment(life.planned, life.plan, (*life.events, event)))

    async def _show(self, life: ExperimentLife) -> ExperimentStatus:
        """The experiment, and how long it takes: on the range that it claims, or on all of its layer before it claims one."""
        width = PPM if life.reach is None else life.reach[1] - life.reach[0]
        key = life.planned.plan_hash, width, life.coverage_ppm or PPM
        if key not in self._schedules:
            if len(self._schedules) >= SCHEDULES_HELD_MAX:
                self._schedules.clear()
            # A quarter of a second of arithmetic for some plans, and others wait on this loop.
            self._schedules[key] = await asyncio.to_thread(
                plan_duration, life.plan, reach_ppm=width, coverage_ppm=key[2]
            )
        return show_experiment(life, self._schedules[key])

    async def _read_lives(
        self, is_wanted: Callable[[PlannedExperiment, ExperimentState], bool], newest: int | None = None
    ) -> tuple[ExperimentLife, ...]:
        """The newest experiments that are wanted, all by default, oldest first."""
        planned = await list_experiments(self._record)
        by_number = {
            number: tuple(own)
            for number, own in groupby(await read_experiment_events(self._record), key=lambda event: event.experiment)
        }
        wanted = [one for one in planned if is_wanted(one, find_state(by_number.get(one.experiment, ())))]
        wanted = wanted if newest is None else wanted[-newest:]
        plans = await self._read_plans([one.plan_hash for one in wanted])
        return tuple(
            tell_experiment(one, plan, by_number.get(one.experiment, ()))
            for one, plan in zip(wanted, plans, strict=True)
        )

    async def _read_plans(self, hashes: list[str]) -> list[Plan]:
        """The plans of these hashes, in their order."""
        absent = [one for one in hashes if one not in self._plans]
        if absent:
            if len(self._plans) + len(absent) > PLANS_HELD_MAX:
                self._plans.clear()
                absent = hashes
            bodies = await get_documents(self._record, absent)
            self._plans |= {content_hash: decode_plan(raw) for content_hash, raw in bodies.items()}
        return [self._plans[one] for one in hashes]


def _name_taken(plan: Plan) -> ExperimentConflict:
    return ExperimentConflict(
        f"product {plan.product} has another plan named {plan.name}: a plan is locked by its hash, so give the changed one another name"
    )


def _never_won() -> BrokenInvariant:
    return BrokenInvariant("the events of an experiment keep losing races against nobody")
