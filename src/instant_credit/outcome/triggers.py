"""When a retraining is proposed: by the calendar, by new labels, by drift, by an AUC that is expected or seen to fall. Pure.

A proposal is a value with its reasons in words. It says that a model should be trained and tested, never that one should decide: that is for the
gates and for two people. Between two proposals, and after a training, lies the cool-down, whatever happens meanwhile; what still
holds when it ends proposes then.
"""

from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from instant_credit.outcome.alerts import AlertState, Retraining
from instant_credit.outcome.measures import Metric


class Trigger(StrEnum):
    """Why a retraining is proposed."""

    SCHEDULE = "schedule"
    LABEL_VOLUME = "label_volume"
    DRIFT = "drift"
    DISCRIMINATION = "discrimination"


_DISCRIMINATION: Final = frozenset({Metric.EXPECTED_AUC.value, Metric.AUC.value})


class Standing(Struct, frozen=True, kw_only=True):
    """How a product stands on a day.

    Attributes
    ----------
    trained_on : the day as of which the labels of the last training were known, whatever became of its model; None = there was none.
    labels_then, labels_now : good and bad loans known at that training (none where there was none), and today.
    proposed_on : the day of the last proposal; None = never.
    alerts : states after the last window; those that are closed do not matter.
    """

    product: str
    today: date
    trained_on: date | None
    labels_then: int
    labels_now: int
    proposed_on: date | None = None
    alerts: tuple[AlertState, ...] = ()


class Reasoned(Struct, frozen=True, kw_only=True):
    """One trigger, and what it saw in words."""

    trigger: Trigger
    words: str


class Proposal(Struct, frozen=True, kw_only=True):
    """A retraining is proposed for a product, for at least one reason."""

    product: str
    proposed_on: date
    reasons: tuple[Reasoned, ...]


def propose_retraining(rules: Retraining, standing: Standing) -> Proposal | None:
    """The proposal that is due on a day, None for none."""
    former = [day for day in (standing.trained_on, standing.proposed_on) if day is not None]
    if former and standing.today < max(former) + timedelta(days=rules.cool_down_days):
        return None
    reasons = tuple(
        found
        for found in (_by_schedule(rules, standing), _by_labels(rules, standing), *_by_alerts(rules, standing))
        if found is not None
    )
    if not reasons:
        return None
    return Proposal(product=standing.product, proposed_on=standing.today, reasons=reasons)


def _by_schedule(rules: Retraining, standing: Standing) -> Reasoned | None:
    if rules.every_days is None:
        return None
    if standing.trained_on is None:
        if not standing.labels_now:
            return None
        return Reasoned(
            trigger=Trigger.SCHEDULE, words=f"nothing was trained yet, and {standing.labels_now:,} labels are known"
        )
    days = (standing.today - standing.trained_on).days
    if days < rules.every_days:
        return None
    return Reasoned(
        trigger=Trigger.SCHEDULE, words=f"trained {days} days ago, and every {rules.every_days} days are asked for"
    )


def _by_labels(rules: Retraining, standing: Standing) -> Reasoned | None:
    more = standing.labels_now - standing.labels_then
    if rules.labels_min is None or more < rules.labels_min:
        return None
    return Reasoned(
        trigger=Trigger.LABEL_VOLUME, words=f"{more} more labels than then, and {rules.labels_min} are asked for"
    )


def _by_alerts(rules: Retraining, standing: Standing) -> list[Reasoned]:
    return [
        Reasoned(
            trigger=Trigger.DISCRIMINATION if state.metric in _DISCRIMINATION else Trigger.DRIFT,
            words=f"alert {state.rule}{f' of {state.subject}' if state.subject else ''} is open since {state.opened_on}",
        )
        for state in standing.alerts
        if state.is_open and state.rule in rules.alerts
    ]
