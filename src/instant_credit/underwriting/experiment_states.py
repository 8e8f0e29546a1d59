"""The state of an experiment: a pure function of its plan and its events.

    planned ─► running ─► stopped ─► concluded
                  └──────────────────────┘

A start claims a range of the layer's buckets and says how much of it is covered; a ramp covers more. An arm that was closed takes nobody any
more. An experiment that was stopped exposes nobody, gives its range back, and its units go on ripening; a conclusion ends it with a verdict,
and exposure with it where it still ran.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from instant_credit.experiment.assignment import Running
from instant_credit.experiment.plan import Plan
from instant_credit.record.experiments import Conclusion, ExperimentEvent, ExperimentEventKind, PlannedExperiment
from instant_credit.units import Ppm


class ExperimentState(StrEnum):
    """Where an experiment stands."""

    PLANNED = "planned"
    RUNNING = "running"
    STOPPED = "stopped"
    CONCLUDED = "concluded"


class ExperimentLife(Struct, frozen=True, kw_only=True):
    """One experiment as it stands.

    Attributes
    ----------
    number : of the last event, 0 before the first one; the next one has the number after it.
    start : the event that started it; None = it is only planned.
    coverage_ppm : part of its range that is exposed, as of the last start or ramp; 0 before.
    closed : the events that closed arms, by arm.
    stop : the event that ended exposure, a stop or a conclusion; None = it did not end.
    verdict : what it was concluded with.
    """

    planned: PlannedExperiment
    plan: Plan
    events: tuple[ExperimentEvent, ...]
    state: ExperimentState
    number: int
    start: ExperimentEvent | None
    coverage_ppm: Ppm
    closed: dict[str, ExperimentEvent]
    stop: ExperimentEvent | None
    verdict: Conclusion | None

    @property
    def reach(self) -> tuple[int, int] | None:
        """The layer's buckets [from, to) that it claimed, ppm."""
        if self.start is None or self.start.reach_from_ppm is None or self.start.reach_to_ppm is None:
            return None
        return self.start.reach_from_ppm, self.start.reach_to_ppm

    @property
    def started_at(self) -> datetime | None:
        """When it was started."""
        return None if self.start is None else self.start.recorded_at

    @property
    def entry_ends_on(self) -> date | None:
        """The first day (UTC) on which nobody new is exposed, by the plan."""
        return None if self.start is None else self.start.recorded_at.date() + timedelta(days=self.plan.entry_days_max)

    @property
    def open_arms(self) -> tuple[str, ...]:
        """Names of the arms beside the control that were not closed."""
        return tuple(arm.name for arm in self.plan.arms[1:] if arm.name not in self.closed)

    @property
    def running(self) -> Running | None:
        """How it takes units; None where it does not run."""
        if self.state is not ExperimentState.RUNNING or self.reach is None:
            return None
        return Running(
            experiment=self.planned.plan_hash,
            plan=self.plan,
            from_ppm=self.reach[0],
            to_ppm=self.reach[1],
            coverage_ppm=self.coverage_ppm,
            closed=tuple(self.closed),
        )


def find_state(events: Sequence[ExperimentEvent]) -> ExperimentState:
    """Where an experiment with these events stands."""
    kinds = {event.kind for event in events}
    if ExperimentEventKind.CONCLUDED in kinds:
        return ExperimentState.CONCLUDED
    if ExperimentEventKind.STOPPED in kinds:
        return ExperimentState.STOPPED
    return ExperimentState.RUNNING if kinds else ExperimentState.PLANNED


def tell_experiment(planned: PlannedExperiment, plan: Plan, events: Sequence[ExperimentEvent]) -> ExperimentLife:
    """The experiment as it stands.

    Parameters
    ----------
    events : all of the experiment, in order of their numbers.
    """
    kinds = ExperimentEventKind
    ends = [event for event in events if event.kind in (kinds.STOPPED, kinds.CONCLUDED)]
    covered = [event.coverage_ppm for event in events if event.coverage_ppm is not None]
    return ExperimentLife(
        planned=planned,
        plan=plan,
        events=tuple(events),
        state=find_state(events),
        number=events[-1].number if events else 0,
        start=next((event for event in events if event.kind is kinds.STARTED), None),
        coverage_ppm=Ppm(max(covered, default=0)),
        closed={event.arm: event for event in events if event.arm is not None},
        stop=ends[0] if ends else None,
        verdict=next((event.verdict for event in events if event.verdict is not None), None),
    )
