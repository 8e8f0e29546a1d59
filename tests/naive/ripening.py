"""What a day gives an experiment, row by row: the twin of `record.ripening`, from the same rows told as Python objects."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from msgspec import UNSET

from instant_credit.experiment.plan import MetricKind, Plan, PlanMetric
from instant_credit.outcome.events import EventKind, RepaymentEvent, stand_as_known
from instant_credit.outcome.ledger import trace_instalments
from instant_credit.units import PPM

MONTH_DAYS = 30


class Exposed(NamedTuple):
    """A row of exposures."""

    case_id: UUID
    experiment: int
    arm: int
    unit_id: bytes
    exposed_on: date
    pd_ppm: int | None
    baseline_is_offer: bool
    is_offer: bool
    offered_cents: int
    reserved_cents: int
    segments: tuple[int, ...]


class World(NamedTuple):
    """Everything that was recorded."""

    exposures: Sequence[Exposed]
    accepted_on: dict[UUID, date]
    events: dict[UUID, list[RepaymentEvent]]


Units = dict[bytes, list[Exposed]]


def list_units(world: World, experiment: int) -> Units:
    """The exposures of each unit, the first one first."""
    units: Units = defaultdict(list)
    for one in sorted(world.exposures, key=lambda one: (one.exposed_on, one.case_id)):
        if one.experiment == experiment:
            units[one.unit_id].append(one)
    return units


def find_bad_day(world: World, case_id: UUID, days: int, known_on: date) -> date | None:
    """The first day on which the loan was bad, as known on a day."""
    standing = stand_as_known(world.events.get(case_id, []), known_on)
    found = [
        event.event_on
        for event in standing
        if event.kind in (EventKind.CHARGED_OFF, EventKind.DELINQUENT)
        or (event.days_past_due is not None and event.days_past_due >= days)
    ]
    for instalment in trace_instalments(standing):
        reached = instalment.due_on + timedelta(days=days)
        if instalment.settled_on is None or instalment.settled_on > reached:
            found.append(reached)
    return min(found, default=None)


def value_of(world: World, one: Exposed, metric: PlanMetric, last_on: date, known_on: date) -> int:
    """What an application brings."""
    if metric.kind is MetricKind.APPROVAL:
        return int(one.is_offer)
    if metric.kind is MetricKind.TAKE_UP:
        return int(world.accepted_on.get(one.case_id, date.max) <= last_on)
    if not metric.kind.is_money:
        bad_on = find_bad_day(world, one.case_id, metric.past_due_days, known_on)
        return int(bad_on is not None and bad_on <= last_on)
    cents: dict[EventKind, int] = defaultdict(int)
    for event in stand_as_known(world.events.get(one.case_id, []), known_on):
        if event.event_on <= last_on:
            cents[event.kind] += event.amount_cents
    if metric.kind is MetricKind.LOSS:
        value = cents[EventKind.CHARGED_OFF] - cents[EventKind.RECOVERED]
    else:
        received = max(cents[EventKind.PAYMENT] + cents[EventKind.PREPAID], cents[EventKind.PAID])
        value = received + cents[EventKind.RECOVERED] - cents[EventKind.DISBURSED]
    assert metric.cents_max is not UNSET
    return max(-metric.cents_max, min(metric.cents_max, value))


def cells_of(one: Exposed) -> list[tuple[int, int]]:
    """Everybody, and the category of each segment."""
    return [(-1, -1), *enumerate(one.segments)]


def sum_ripe(world: World, experiment: int, plan: Plan, day: date) -> dict[tuple[int, int, int, int], list[float]]:
    """Units, the nine moments and hits by (metric, segment, category, arm)."""
    exact: dict[tuple[int, int, int, int], list[int]] = defaultdict(lambda: [0] * 11)
    for place, metric in enumerate(plan.metrics):
        for applied in list_units(world, experiment).values():
            first = applied[0]
            if first.exposed_on + timedelta(days=metric.ripe_days) != day:
                continue
            last_on = first.exposed_on + timedelta(days=metric.window_days)
            within = [one for one in applied if one.exposed_on <= last_on]
            if len({one.arm for one in within}) > 1:
                continue
            s = len(within)
            y = sum(value_of(world, one, metric, last_on, day) for one in within)
            x = sum(one.pd_ppm or 0 for one in within)
            hits = 0 if metric.kind.is_money else y * PPM // s
            for cell in cells_of(first):
                for at, more in enumerate((1, s, y, x, s * s, s * y, s * x, y * y, y * x, x * x, hits)):
                    exact[(place, *cell, first.arm)][at] += more
    scales = (1, 1, 1, PPM, 1, 1, PPM, 1, PPM, PPM * PPM, PPM)
    return {key: [one / scale for one, scale in zip(total, scales, strict=True)] for key, total in exact.items()}


def count_hazards(world: World, experiment: int, plan: Plan, day: date) -> dict[tuple[int, int, int], tuple[int, int]]:
    """At risk and defaulted by (metric, arm, month)."""
    found: dict[tuple[int, int, int], tuple[int, int]] = {}
    for place, metric in enumerate(plan.metrics):
        if metric.kind is not MetricKind.DEFAULT:
            continue
        for applied in list_units(world, experiment).values():
            first = applied[0]
            passed = (day - timedelta(days=metric.lag_days) - first.exposed_on).days
            month = passed // MONTH_DAYS
            if passed % MONTH_DAYS or not 1 <= month <= max(1, -(-metric.window_days // MONTH_DAYS)):
                continue
            last_on = first.exposed_on + timedelta(days=passed)
            bad_on = find_bad_day(world, first.case_id, metric.past_due_days, day) or date.max
            if bad_on <= last_on - timedelta(days=MONTH_DAYS):
                continue
            at_risk, defaults = found.get((place, first.arm, month), (0, 0))
            found[place, first.arm, month] = at_risk + 1, defaults + (bad_on <= last_on)
    return found


def count_day(world: World, experiment: int, plan: Plan, day: date) -> dict[tuple[int, int, int], list[int]]:
    """What a day exposed by (segment, category, arm), in the order of the fields of CellCounts."""
    found = {(-1, -1, arm): [0] * 9 for arm in range(len(plan.arms))}
    for applied in list_units(world, experiment).values():
        first = applied[0]
        strayed = [one for one in applied if one.arm != first.arm]
        told: set[tuple[int, int, int]] = set()
        for one in applied:
            if one.exposed_on != day:
                continue
            is_astray = one.arm != first.arm and strayed[0].exposed_on == day
            for segment, category in cells_of(one):
                key = segment, category, one.arm
                counts = found.setdefault(key, [0] * 9)
                more = (
                    1,
                    one.is_offer,
                    one.baseline_is_offer,
                    one.pd_ppm is None,
                    one.offered_cents,
                    one.reserved_cents,
                    one is first,
                    one is first and one.is_offer,
                    is_astray and key not in told,
                )
                if is_astray:
                    told.add(key)
                for at, number in enumerate(more):
                    counts[at] += number
    return found
