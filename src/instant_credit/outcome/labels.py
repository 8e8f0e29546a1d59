"""Labels: good, bad or not yet known, as known at a date. Pure.

The definition, for one loan and a date `known_on`:

1. Only events known on or before the date count.
2. A charge-off is bad for ever, whatever is recovered later.
3. Otherwise the latest state counts: repaid in full or current is good, seriously overdue is bad. Latest is by the day it
   happened; of one day's states the worse one counts.
4. With no state at all the loan is indeterminate: it is neither trained nor tested on.

A book whose good loans are only `current` therefore measures an early label, which flatters the bad rate of a matured book.
`label_outcome` is the definition, `label_outcomes` the same for many loans as arrays.
"""

from collections.abc import Sequence
from datetime import date
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.outcome.events import EventKind, RepaymentEvent


class Label(IntEnum):
    """A loan's outcome as a number: 1 is what a pd predicts."""

    INDETERMINATE = -1
    GOOD = 0
    BAD = 1


KIND_CODES: Final[dict[EventKind, int]] = {kind: code for code, kind in enumerate(EventKind)}

_GOOD_KINDS: Final = frozenset({EventKind.PAID, EventKind.CURRENT})
_STATE_KINDS: Final = _GOOD_KINDS | {EventKind.DELINQUENT}
_STATE_BY_CODE: Final = np.array([kind in _STATE_KINDS for kind in EventKind])
_BAD_BY_CODE: Final = np.array([kind is EventKind.DELINQUENT for kind in EventKind])


def label_outcome(events: Sequence[RepaymentEvent], known_on: date) -> Label:
    """The label of one loan from its events, in any order, as known on `known_on` (inclusive)."""
    known = [event for event in events if event.known_on <= known_on]
    if any(event.kind is EventKind.CHARGED_OFF for event in known):
        return Label.BAD
    states = [event for event in known if event.kind in _STATE_KINDS]
    if not states:
        return Label.INDETERMINATE
    latest_on = max(event.event_on for event in states)
    last_states = {event.kind for event in states if event.event_on == latest_on}
    return Label.BAD if EventKind.DELINQUENT in last_states else Label.GOOD


def label_outcomes(
    *,
    loan_count: int,
    loans: NDArray[np.int64],
    kinds: NDArray[np.int8],
    event_days: NDArray[np.int32],
    known_days: NDArray[np.int32],
    known_on_days: int,
) -> NDArray[np.int8]:
    """The labels of many loans.

    Parameters
    ----------
    loan_count : number of loans, n.
    loans : int64[e], the loan of each event, in [0, n).
    kinds : int8[e], the kind of each event by `KIND_CODES`.
    event_days, known_days : int32[e], days since 1970-01-01.
    known_on_days : the date as known on, in days since 1970-01-01, inclusive.

    Returns
    -------
    int8[n], the values of `Label`.

    Raises
    ------
    BrokenInvariant : when the arrays differ in length or name a loan or kind that does not exist.
    """
    sizes = {loans.shape, kinds.shape, event_days.shape, known_days.shape}
    require(len(sizes) == 1 and loans.ndim == 1, "events are arrays of one length")
    if loans.size:
        require(
            int(loans.min()) >= 0 and int(loans.max()) < loan_count, "an event names a loan that is not in the book"
        )
        require(int(kinds.min()) >= 0 and int(kinds.max()) < len(KIND_CODES), "an event has an unknown kind")
    labels = np.full(loan_count, Label.INDETERMINATE, dtype=np.int8)
    is_known = known_days <= known_on_days
    is_state = is_known & _STATE_BY_CODE[kinds]
    latest_days = np.full(loan_count, np.iinfo(np.int32).min, dtype=np.int32)
    np.maximum.at(latest_days, loans[is_state], event_days[is_state])
    is_latest = is_state & (event_days == latest_days[loans])
    labels[loans[is_latest]] = Label.GOOD
    labels[loans[is_latest & _BAD_BY_CODE[kinds]]] = Label.BAD
    labels[loans[is_known & (kinds == KIND_CODES[EventKind.CHARGED_OFF])]] = Label.BAD
    return labels
