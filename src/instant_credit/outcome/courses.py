"""The course of a loan: when it first came to be bad, late, out of the question or in doubt, by a label definition. Pure.

Labels, vintage curves and roll rates are all read from it, so that a loan is bad in all of them or in none.

Days past due come from two sources, and the worse one counts: what was observed (`DAYS_PAST_DUE`), and the ledger of instalments
(`ledger.py`), in which an instalment that is open for so many days makes the loan so many days past due.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.outcome.definition import LabelDefinition
from instant_credit.outcome.events import EventKind
from instant_credit.outcome.histories import (
    NEVER,
    Days,
    Histories,
    find_first_days,
    find_starts,
    first_days,
    stand_as_known_many,
)
from instant_credit.outcome.ledger import Instalments, trace_instalments_many


class Courses(Struct, frozen=True, kw_only=True, eq=False):
    """Days of n loans, int32[n] since 1970-01-01, `NEVER` where one did not come.

    Attributes
    ----------
    starts : where the loan's window begins; without a window the loan's first day, by `disbursed` or else by its Case.
    bad_days : first so many days past due as make a loan bad, or first event of a bad kind.
    late_days : first so many days past due as make a loan indeterminate.
    left_days, doubted_days : first event of an indeterminate and of a doubtful kind.
    standing : the events that stand; with a window those from its beginning on.
    instalments : of these events.
    """

    starts: Days
    bad_days: Days
    late_days: Days
    left_days: Days
    doubted_days: Days
    standing: Histories
    instalments: Instalments


def trace_courses(
    histories: Histories, *, as_of_days: Days, known_on_days: int, definition: LabelDefinition
) -> Courses:
    """The courses of n loans as known on a day.

    Parameters
    ----------
    histories : every event, whenever it was known.
    as_of_days : int32[n], the days of the Cases; where a window begins if the definition says so.
    known_on_days : the day as known on, in days since 1970-01-01, inclusive.
    """
    standing = stand_as_known_many(histories, known_on_days)
    starts = find_starts(standing) if definition.starts == "disbursed" else as_of_days.astype(np.int32)
    if definition.window_months is None:
        starts = np.where(starts == NEVER, as_of_days, starts).astype(np.int32)
    else:
        standing = standing.select(standing.event_days >= starts[standing.loans])
    instalments = trace_instalments_many(standing)
    overdue = [_find_overdue(standing, instalments, days) for days in _list_bounds(definition)]
    return Courses(
        starts=starts,
        bad_days=np.minimum(overdue[0], find_first_days(standing, standing.is_kind(*definition.bad_kinds))),
        late_days=overdue[1],
        left_days=find_first_days(standing, standing.is_kind(*definition.indeterminate_kinds)),
        doubted_days=find_first_days(standing, standing.is_kind(*definition.doubtful_kinds)),
        standing=standing,
        instalments=instalments,
    )


def _list_bounds(definition: LabelDefinition) -> tuple[int, int]:
    return definition.bad_days_past_due, definition.indeterminate_days_past_due


def _find_overdue(standing: Histories, instalments: Instalments, days_past_due: int) -> Days:
    """The first day on which each loan was so many days past due, int32[n]."""
    is_observed = standing.is_kind(EventKind.DAYS_PAST_DUE) & (standing.days_past_due >= days_past_due)
    due_days = instalments.due_days.astype(np.int64) + days_past_due
    is_open: NDArray[np.bool_] = instalments.settled_days > due_days
    from_ledger = first_days(standing.loan_count, instalments.loans[is_open], np.minimum(due_days[is_open], NEVER))
    return np.minimum(find_first_days(standing, is_observed), from_ledger)
