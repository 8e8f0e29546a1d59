"""Alert rules as data, and the machine that opens and closes alerts. Pure.

    measurements of a window -> judged by every rule -> step by (rule, subject) -> states after it, and what opened or closed

The law:

- A window is *over* when its value exceeds what it is on average without any change by `on` or more, and chance brings so much in at most
  `false_alarm_share` of all windows, over all subjects of the rule together (Bonferroni 1936). It is *under* when the excess is `off` or less.
  `off` lies below `on`: between the two nothing moves (hysteresis).
- An alert opens after `windows_in_row` windows over, and closes after as many under. After its end it stays closed for `cool_down_days`.
- A window with fewer than `cases_min` Cases tells nothing: it neither counts nor begins a count anew.
- A subject that is not measured any more (another model without the variable, a rule taken away) closes its alert.

Without any change a rule therefore opens an alert in at most `false_alarm_share` of the windows, whatever the number of variables.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from instant_credit.application.invalid import tell_invalid
from instant_credit.application.product import Name
from instant_credit.canonical import UNREADABLE, encode_canonical
from instant_credit.errors import Refused
from instant_credit.outcome.measures import Measurement, Metric

RULES_MAX: Final = 50
DOCUMENT_CHARACTERS_MAX: Final = 200_000
# Windows begin on a Monday.
FIRST_WINDOW_ON: Final = date(1970, 1, 5)

Days = Annotated[int, Meta(ge=1, le=3_650)]


class AlertRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is watched, from when on somebody is told, and who.

    Attributes
    ----------
    name : of the rule, alone in its document.
    metric : what it looks at.
    on, off : excess of the value over what it is on average without any change; `off` below `on`.
    false_alarm_share : in how many windows, as a share of all, the rule may find more than `on` by chance alone.
    windows_in_row : how many windows open an alert, and how many close it.
    cool_down_days : for how long an alert that closed stays closed.
    cases_min : a figure of fewer Cases tells nothing.
    subjects : variables that it looks at; none = all.
    owner : who acts, a team and never a person's name.
    runbook : where it stands what to do.
    """

    name: Name
    metric: Metric
    on: Annotated[float, Meta(gt=0, le=10)]
    off: Annotated[float, Meta(ge=0, le=10)]
    false_alarm_share: Annotated[float, Meta(gt=0, le=0.2)] = 0.01
    windows_in_row: Annotated[int, Meta(ge=1, le=52)] = 2
    cool_down_days: Annotated[int, Meta(ge=0, le=3_650)] = 28
    cases_min: Annotated[int, Meta(ge=1, le=10**9)] = 200
    subjects: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=5_000)] = ()
    owner: Annotated[str, Meta(min_length=1, max_length=64)]
    runbook: Annotated[str, Meta(min_length=1, max_length=200)]


class Retraining(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a retraining is proposed; `triggers.propose_retraining`.

    Attributes
    ----------
    every_days : so long after the last training.
    labels_min : with so many more good and bad loans than the last training had.
    alerts : with any of these rules' alerts open.
    cool_down_days : a proposal comes no sooner after the one before, or after the last training.
    """

    every_days: Days | None = None
    labels_min: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    alerts: Annotated[tuple[Name, ...], Meta(max_length=RULES_MAX)] = ()
    cool_down_days: Annotated[int, Meta(ge=0, le=3_650)] = 28


class AlertRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lender's rules, and the windows that they look at.

    Attributes
    ----------
    window_days : length of a window; windows follow each other from Monday, 5 January 1970, on.
    maturities_days : after how many days the labels of a window are looked at, each apart.
    retraining : when a retraining is proposed; None = never by itself.
    """

    schema_version: Literal[1] = 1
    name: Name
    window_days: Annotated[int, Meta(ge=1, le=366)] = 28
    maturities_days: Annotated[tuple[Days, ...], Meta(max_length=6)] = ()
    rules: Annotated[tuple[AlertRule, ...], Meta(min_length=1, max_length=RULES_MAX)]
    retraining: Retraining | None = None

    def __post_init__(self) -> None:
        """Names differ, `off` lies below `on`, and what looks at labels has some."""
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("rules: two of one name")
        if list(self.maturities_days) != sorted(set(self.maturities_days)):
            raise ValueError("maturities_days: they rise")
        for rule in self.rules:
            if not rule.off < rule.on:
                raise ValueError(f"rule {rule.name}: off must lie below on")
            if rule.metric in RIPE_METRICS and not self.maturities_days:
                raise ValueError(f"rule {rule.name}: it looks at labels, so name maturities_days")
        for name in () if self.retraining is None else self.retraining.alerts:
            if name not in names:
                raise ValueError(f"retraining: there is no rule {name}")


RIPE_METRICS: Final = frozenset({Metric.BAD_RATE, Metric.CALIBRATION, Metric.AUC})


class AlertEventKind(StrEnum):
    """What became of an alert."""

    OPENED = "opened"
    CLOSED = "closed"


class AlertState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one rule stands with one subject after a window.

    Attributes
    ----------
    is_open : since `opened_on`, the last day of the window that opened it.
    in_row : windows in a row that speak for a change: over while it is closed, under while it is open.
    closed_on : the last day of the window that closed it last.
    """

    rule: str
    subject: str = ""
    metric: str = ""
    is_open: bool = False
    in_row: int = 0
    opened_on: date | None = None
    closed_on: date | None = None


class AlertEvent(Struct, frozen=True, kw_only=True):
    """An alert opened or closed with a window. `value` None = its subject is no longer measured."""

    kind: AlertEventKind
    rule: str
    subject: str
    metric: str
    value: float | None
    owner: str
    runbook: str


class Judged(Struct, frozen=True, kw_only=True):
    """What a window changed: every state that is not at its beginning, by rule and subject, and the events."""

    states: tuple[AlertState, ...]
    events: tuple[AlertEvent, ...]


_DECODER = msgspec.json.Decoder(AlertRules)


def load_rules(toml_text: str) -> AlertRules:
    """The rules of a TOML document.

    Raises
    ------
    Refused : it is no such document; the message says where and what is allowed there.
    """
    if len(toml_text) > DOCUMENT_CHARACTERS_MAX:
        raise Refused(f"alert rules: longer than {DOCUMENT_CHARACTERS_MAX} characters")
    try:
        return msgspec.toml.decode(toml_text, type=AlertRules)
    except msgspec.ValidationError as error:
        raise Refused(f"alert rules: {tell_invalid(error, AlertRules)}") from error
    except UNREADABLE as error:
        raise Refused(f"alert rules: {error}") from error


def encode_rules(rules: AlertRules) -> bytes:
    """Canonical JSON."""
    return encode_canonical(rules)


def decode_rules(raw: bytes) -> AlertRules:
    """The rules behind canonical JSON. Raises Refused when it is not one."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"alert rules: {error}") from error


def window_of(day: date, window_days: int) -> tuple[date, date]:
    """First and last day of the window that holds `day`."""
    number = (day - FIRST_WINDOW_ON).days // window_days
    first = FIRST_WINDOW_ON + timedelta(days=number * window_days)
    return first, first + timedelta(days=window_days - 1)


def judge_window(
    rules: AlertRules, states: Iterable[AlertState], measurements: Sequence[Measurement], last_on: date
) -> Judged:
    """Let every rule look at a window.

    Parameters
    ----------
    states : after the window before; none at the very beginning.
    measurements : of the window, one for each metric and subject.
    last_on : the window's last day, later than that of the window before.
    """
    former = {(state.rule, state.subject): state for state in states}
    after: list[AlertState] = []
    events: list[AlertEvent] = []
    for rule in rules.rules:
        chosen = [one for one in measurements if one.metric is rule.metric and _is_watched(rule, one.subject)]
        for one in chosen:
            before = former.pop(
                (rule.name, one.subject), AlertState(rule=rule.name, subject=one.subject, metric=rule.metric.value)
            )
            stands = _step(rule, before, one, len(chosen), last_on)
            after.append(stands)
            if stands.is_open != before.is_open:
                events.append(_tell(rule, stands, one.value))
    known = {rule.name: rule for rule in rules.rules}
    events += [_tell_gone(known, state) for state in former.values() if state.is_open]
    return Judged(
        states=tuple(sorted((state for state in after if not _is_idle(state)), key=_place)),
        events=tuple(sorted(events, key=lambda event: (event.rule, event.subject))),
    )


def is_over(rule: AlertRule, one: Measurement, subjects: int) -> bool:
    """Whether a measurement lies over the rule, one of so many subjects that the rule looks at."""
    excess = one.excess
    return excess is not None and excess >= rule.on and one.chance <= rule.false_alarm_share / subjects


def _is_watched(rule: AlertRule, subject: str) -> bool:
    return not rule.subjects or subject in rule.subjects


def _step(rule: AlertRule, before: AlertState, one: Measurement, subjects: int, last_on: date) -> AlertState:
    """The state after one more window."""
    excess = one.excess
    if excess is None or one.cases < rule.cases_min:
        return before
    speaks = excess <= rule.off if before.is_open else is_over(rule, one, subjects)
    in_row = before.in_row + 1 if speaks else 0
    is_resting = before.closed_on is not None and last_on <= before.closed_on + timedelta(days=rule.cool_down_days)
    if in_row < rule.windows_in_row or (is_resting and not before.is_open):
        return msgspec.structs.replace(before, in_row=min(in_row, rule.windows_in_row))
    if before.is_open:
        return msgspec.structs.replace(before, is_open=False, in_row=0, opened_on=None, closed_on=last_on)
    return msgspec.structs.replace(before, is_open=True, in_row=0, opened_on=last_on)


def _is_idle(state: AlertState) -> bool:
    return not state.is_open and not state.in_row and state.closed_on is None


def _place(state: AlertState) -> tuple[str, str]:
    return state.rule, state.subject


def _tell(rule: AlertRule, state: AlertState, value: float | None) -> AlertEvent:
    return AlertEvent(
        kind=AlertEventKind.OPENED if state.is_open else AlertEventKind.CLOSED,
        rule=rule.name,
        subject=state.subject,
        metric=rule.metric.value,
        value=value,
        owner=rule.owner,
        runbook=rule.runbook,
    )


def _tell_gone(known: Mapping[str, AlertRule], state: AlertState) -> AlertEvent:
    """The end of an alert whose rule or subject is gone."""
    rule = known.get(state.rule)
    return AlertEvent(
        kind=AlertEventKind.CLOSED,
        rule=state.rule,
        subject=state.subject,
        metric=state.metric,
        value=None,
        owner="" if rule is None else rule.owner,
        runbook="" if rule is None else rule.runbook,
    )
