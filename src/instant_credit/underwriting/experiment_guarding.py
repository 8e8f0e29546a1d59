"""Stopping arms that do harm: what is known of every running experiment by now, judged by its plan's guardrails; a breach closes the arm. Edge.

    frozen sums (early delinquency) ──────────────────────────┐
    frozen counts, and exposures of the days since (approvals) ┤
    tallies of the server processes (faults, slow answers) ────┴─► Tally by arm ─► `experiment.guardrails` (pure) ─► breach ─► arm closed

Looking again finds the same: an arm that is closed is judged no more, and whoever looks at once closes it once. Loss budgets are not judged here:
the process that decides closes those, at the first offer that does not fit.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from msgspec import Struct

from instant_credit.experiment.guardrails import Count, Finding, Tally, judge_guardrails
from instant_credit.experiment.plan import GuardrailKind, MetricKind
from instant_credit.record.arm_tallies import sum_arm_tallies
from instant_credit.record.experiment_statistics import EVERYBODY, CellCounts, list_counts, list_frozen_days, list_sums
from instant_credit.record.pool import Record
from instant_credit.record.ripening import Followed, count_exposed
from instant_credit.underwriting.closing import GUARDRAILS
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_moves import ExperimentConflict
from instant_credit.underwriting.experiment_states import ExperimentLife

JUDGED: Final = (
    GuardrailKind.EARLY_DELINQUENCY,
    GuardrailKind.APPROVAL_RATE,
    GuardrailKind.ERROR_RATE,
    GuardrailKind.LATENCY_P99,
)
"""Guardrails that close an arm whenever it is looked."""

_DAY: Final = timedelta(days=1)
_NOBODY: Final = Tally()


class Guarded(Struct, frozen=True, kw_only=True):
    """What a guardrail says of an arm that was open; `is_closed` says that it was closed for it just now."""

    experiment: int
    finding: Finding
    is_closed: bool = False


async def guard_experiments(record: Record) -> tuple[Guarded, ...]:
    """Judge the open arms of every running experiment, and close those that breach; by experiment, arm and guardrail as planned.

    The event of a closed arm names the job `guardrails`, the guardrail and, as its reason, what was found. With the last arm beside the control the
    experiment stops.

    Raises
    ------
    Unavailable : the record did not answer; arms may have been closed, and looking again closes the others.
    """
    desk = ExperimentDesk(record)
    lives = [life for life in await desk.read_running() if _is_judged(life)]
    tallies = await _tally(record, lives)
    told: list[Guarded] = []
    for life in lives:
        experiment = life.planned.experiment
        control = tallies.get((experiment, 0), _NOBODY)
        for place, arm in enumerate(life.plan.arms[1:], start=1):
            if arm.name not in life.open_arms:
                continue
            own = tallies.get((experiment, place), _NOBODY)
            found = [one for one in judge_guardrails(life.plan, control, own, name=arm.name) if one.guardrail in JUDGED]
            breach = next((one for one in found if one.is_breached), None)
            is_closed = breach is not None and await _close(desk, experiment, breach)
            told += [
                Guarded(experiment=experiment, finding=one, is_closed=is_closed and one is breach) for one in found
            ]
    return tuple(told)


def _is_judged(life: ExperimentLife) -> bool:
    return any(one.kind in JUDGED for one in life.plan.guardrails)


async def _close(desk: ExperimentDesk, experiment: int, breach: Finding) -> bool:
    """Close the arm; False where the experiment ended in the meantime, which closes every arm."""
    try:
        await desk.close_arm(experiment, breach.arm, GUARDRAILS, breach.words, breach.guardrail)
    except ExperimentConflict:
        return False
    return True


async def _tally(record: Record, lives: Sequence[ExperimentLife]) -> dict[tuple[int, int], Tally]:
    """What is known of each arm, by experiment and the arm's place; of arms that nothing is known of, nothing."""
    if not lives:
        return {}
    early = {life.planned.experiment: _find_early(life) for life in lives}
    lasts = await list_frozen_days(record)
    ripe = {
        (one.experiment, one.arm): Count(trials=one.sums.units, hits=min(one.hits, float(one.sums.units)))
        for one in await list_sums(record, list(early), is_overall=True)
        if one.metric == early[one.experiment]
    }
    approvals: dict[tuple[int, int], Count] = {}
    for one in (*await list_counts(record, list(early), is_overall=True), *await _count_since(record, lives, lasts)):
        key = one.experiment, one.arm
        approvals[key] = approvals.get(key, Count()) + Count(trials=one.units, hits=float(one.unit_offers))
    answered = {(one.experiment, one.arm): one for one in await sum_arm_tallies(record, list(early))}
    return {
        key: Tally(
            early=ripe.get(key, Count()),
            approvals=approvals.get(key, Count()),
            answers=Count() if own is None else Count(trials=own.applications, hits=float(own.failed)),
            timed=Count() if own is None else Count(trials=own.timed, hits=float(own.slow)),
        )
        for key in ripe.keys() | approvals.keys() | answered.keys()
        for own in (answered.get(key),)
    }


def _find_early(life: ExperimentLife) -> int | None:
    """The place of the metric that early delinquency is read off; None = the plan has none."""
    metrics = enumerate(life.plan.metrics)
    return next((place for place, metric in metrics if metric.kind is MetricKind.EARLY_DELINQUENCY), None)


async def _count_since(record: Record, lives: Sequence[ExperimentLife], lasts: Mapping[int, date]) -> list[CellCounts]:
    """What the days after the last frozen one exposed of everybody, today among them."""
    today = record.clock.now().date()
    days: dict[date, list[Followed]] = {}
    for life in lives:
        assert life.started_at is not None
        assert life.entry_ends_on is not None
        last = lasts.get(life.planned.experiment)
        # A process whose clock is behind may have exposed somebody on the day before the start.
        day = life.started_at.date() - _DAY if last is None else last + _DAY
        while day <= min(today, life.entry_ends_on):
            days.setdefault(day, []).append(Followed(experiment=life.planned.experiment, plan=life.plan))
            day += _DAY
    return [
        one
        for day, followed in sorted(days.items())
        for one in await count_exposed(record, day, followed)
        if one.segment == EVERYBODY
    ]
