"""Labels: good, bad, neither, or too young to tell, by a definition and as known at a date. Pure.

With a window (`LabelDefinition.window_months`), for one loan and a day `known_on`:

1. Only events that stood on the day count: known by then and not corrected by then.
2. The window begins where the definition says. A loan that was not told as paid out has none and is indeterminate.
3. Until the window and the lag have passed, the loan is immature, even one that is bad already or repaid already. Early on
   mostly the bad are resolved, so whatever is counted before its time is counted wrongly.
4. Of what happened within the window, both ends included: an event in doubt makes the loan indeterminate; being bad first makes it bad;
   an event of an indeterminate kind first, or so many days past due as are between good and bad, makes it indeterminate.
5. Otherwise it is good: no news of a loan that was paid out is good news, once the lag has passed.

Without a window, the latest state that was told counts: repaid, prepaid, current or few days past due is good, delinquent or
many days past due is bad, what lies between is indeterminate; latest is by the day it happened, and of one day's states the worse one
counts. A bad kind makes a loan bad for ever, unless doubted or left before; with no state at all it is indeterminate. A book whose good loans
are only `current` therefore measures an early label, which flatters the bad rate of a matured book.

`label_outcome` is the definition, `label_outcomes` the same for many loans as arrays.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.outcome.courses import Courses, trace_courses
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition
from instant_credit.outcome.events import EventKind, RepaymentEvent, stand_as_known
from instant_credit.outcome.histories import NEVER, Days, Histories, add_months_to_days, find_first_days
from instant_credit.outcome.ledger import trace_instalments
from instant_credit.units import add_months


class Label(IntEnum):
    """A loan's outcome as a number: 1 is what a pd predicts."""

    IMMATURE = -2
    INDETERMINATE = -1
    GOOD = 0
    BAD = 1


_GOOD_STATES: Final = frozenset({EventKind.PAID, EventKind.PREPAID, EventKind.CURRENT})
_NO_STATE: Final = -1
_LABELS_BY_RANK: Final = np.array([Label.GOOD, Label.INDETERMINATE, Label.BAD, Label.INDETERMINATE], dtype=np.int8)


def label_outcome(
    events: Sequence[RepaymentEvent],
    *,
    known_on: date,
    started_on: date | None = None,
    definition: LabelDefinition = AS_LAST_SEEN,
) -> Label:
    """The label of one loan.

    Parameters
    ----------
    events : every event of the loan, in any order, whenever it was known.
    known_on : the day as known on, inclusive.
    started_on : the day of the Case; where the window begins if the definition says so. None only where it does not.
    """
    standing = stand_as_known(events, known_on)
    if definition.window_months is None:
        return _label_states(standing, definition)
    start = _find_start(standing, started_on, definition)
    if start is None:
        return Label.INDETERMINATE
    standing = tuple(event for event in standing if event.event_on >= start)
    end = add_months(start, definition.window_months)
    if end + timedelta(days=definition.lag_days) > known_on:
        return Label.IMMATURE
    bad_on, late_on, left_on, doubted_on = (
        min((day for day in days if day <= end), default=None)
        for days in (
            [*list_overdue(standing, definition.bad_days_past_due), *_list_days(standing, definition.bad_kinds)],
            list_overdue(standing, definition.indeterminate_days_past_due),
            _list_days(standing, definition.indeterminate_kinds),
            _list_days(standing, definition.doubtful_kinds),
        )
    )
    if doubted_on is not None:
        return Label.INDETERMINATE
    if bad_on is not None and (left_on is None or bad_on <= left_on):
        return Label.BAD
    return Label.GOOD if left_on is None and late_on is None else Label.INDETERMINATE


def _find_start(
    standing: Sequence[RepaymentEvent], started_on: date | None, definition: LabelDefinition
) -> date | None:
    if definition.starts == "as_of":
        require(started_on is not None, "a window that begins with the Case needs its day")
        return started_on
    return min(_list_days(standing, (EventKind.DISBURSED,)), default=None)


def _list_days(standing: Sequence[RepaymentEvent], kinds: Collection[EventKind]) -> list[date]:
    return [event.event_on for event in standing if event.kind in kinds]


def list_overdue(standing: Sequence[RepaymentEvent], days_past_due: int) -> Iterator[date]:
    """Days on which the loan was so many days past due, the first one among them."""
    for event in standing:
        if event.days_past_due is not None and event.days_past_due >= days_past_due:
            yield event.event_on
    for instalment in trace_instalments(standing):
        reached_on = instalment.due_on + timedelta(days=days_past_due)
        if instalment.settled_on is None or instalment.settled_on > reached_on:
            yield reached_on


def _label_states(standing: Sequence[RepaymentEvent], definition: LabelDefinition) -> Label:
    """The label without a window."""
    bad_on = min(_list_days(standing, definition.bad_kinds), default=None)
    left_on = min(_list_days(standing, definition.indeterminate_kinds), default=None)
    if _list_days(standing, definition.doubtful_kinds):
        return Label.INDETERMINATE
    if bad_on is not None and (left_on is None or bad_on <= left_on):
        return Label.BAD
    states = [(event.event_on, rank) for event in standing if (rank := _rank_state(event, definition)) is not None]
    if left_on is not None or not states:
        return Label.INDETERMINATE
    return Label(int(_LABELS_BY_RANK[max(states)[1]]))


def _rank_state(event: RepaymentEvent, definition: LabelDefinition) -> int | None:
    """How bad a state is, by its place in `_LABELS_BY_RANK`; None for what is no state."""
    if event.kind in _GOOD_STATES:
        return 0
    if event.kind is EventKind.DELINQUENT:
        return 2
    if event.days_past_due is None:
        return None
    return (event.days_past_due >= definition.indeterminate_days_past_due) + (
        event.days_past_due >= definition.bad_days_past_due
    )


def label_outcomes(
    histories: Histories, *, known_on_days: int, as_of_days: Days, definition: LabelDefinition = AS_LAST_SEEN
) -> NDArray[np.int8]:
    """The labels of many loans.

    Parameters
    ----------
    histories : every event of n loans, whenever it was known.
    known_on_days : the day as known on, in days since 1970-01-01, inclusive.
    as_of_days : int32[n], the days of the Cases.

    Returns
    -------
    int8[n], the values of `Label`.

    Raises
    ------
    BrokenInvariant : when there is not one day for each loan.
    """
    require(as_of_days.shape == (histories.loan_count,), "each loan has its day")
    courses = trace_courses(histories, as_of_days=as_of_days, known_on_days=known_on_days, definition=definition)
    return label_courses(courses, known_on_days, definition)


def label_courses(courses: Courses, known_on_days: int, definition: LabelDefinition) -> NDArray[np.int8]:
    """The labels int8[n] of loans whose courses are traced already, as known on the same day and by the same definition."""
    if definition.window_months is None:
        return _label_latest(courses, definition)
    ends = add_months_to_days(courses.starts, definition.window_months)
    is_bad = (courses.bad_days <= ends) & (courses.bad_days <= courses.left_days)
    is_between = (courses.left_days <= ends) | (courses.late_days <= ends)
    labels = np.where(is_bad, Label.BAD, np.where(is_between, Label.INDETERMINATE, Label.GOOD)).astype(np.int8)
    labels[courses.doubted_days <= ends] = Label.INDETERMINATE
    labels[ends.astype(np.int64) + definition.lag_days > known_on_days] = Label.IMMATURE
    labels[courses.starts == NEVER] = Label.INDETERMINATE
    return labels


def _label_latest(courses: Courses, definition: LabelDefinition) -> NDArray[np.int8]:
    standing = courses.standing
    count = standing.loan_count
    ranks = np.full(len(standing.loans), _NO_STATE, dtype=np.int64)
    ranks[standing.is_kind(*_GOOD_STATES)] = 0
    ranks[standing.is_kind(EventKind.DELINQUENT)] = 2
    is_observed = standing.is_kind(EventKind.DAYS_PAST_DUE)
    days = standing.days_past_due[is_observed]
    ranks[is_observed] = (days >= definition.indeterminate_days_past_due).astype(np.int64) + (
        days >= definition.bad_days_past_due
    )
    is_state = ranks != _NO_STATE
    latest = np.full(count, np.iinfo(np.int32).min, dtype=np.int32)
    np.maximum.at(latest, standing.loans[is_state], standing.event_days[is_state])
    is_latest = is_state & (standing.event_days == latest[standing.loans])
    worst = np.full(count, _NO_STATE, dtype=np.int64)
    np.maximum.at(worst, standing.loans[is_latest], ranks[is_latest])
    # Place -1 is the last of the ranks: no state.
    labels = _LABELS_BY_RANK[worst]
    is_left, is_doubted = courses.left_days != NEVER, courses.doubted_days != NEVER
    labels[is_left] = Label.INDETERMINATE
    # What makes a loan bad for ever are its bad kinds, not the days past due that it came to and may have made good.
    bad_days = find_first_days(standing, standing.is_kind(*definition.bad_kinds))
    labels[(bad_days != NEVER) & (bad_days <= courses.left_days)] = Label.BAD
    labels[is_doubted] = Label.INDETERMINATE
    return labels
