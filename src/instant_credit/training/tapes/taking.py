"""What is taken from the many rows that a joined file has of a loan: facts and events. Edge.

A file of many rows is kept as numbers, not as texts: per fact a value, per date column a day, per condition whether it holds, per event
rule the event. Beside each stands a state: nothing told, told, or which of the table's reasons says why it can't be read. Rows
are in order of their keys, so that the rows of a loan are a range.

What comes out depends on which rows a loan has and never on their order: whole numbers are added exactly, reals by `math.fsum`,
the smallest, the largest and the last are chosen by value.

    ranges int64[n] of n loans -> rows int64[k], positions int64[k]: the k rows of all of them, loan by loan
    before, where              -> which of the k count
    take                       -> n values
"""

from collections.abc import Callable, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from math import fsum
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.product import Attribute, AttributeType
from instant_credit.errors import require
from instant_credit.outcome.events import EventKind
from instant_credit.training.tapes.cells import NUMBER_TOO_LARGE, WHOLE_MAX, Unreadable
from instant_credit.training.tapes.readers import Fact, Misread
from instant_credit.units import Cents, date_from_days, days_from_date

MISSING: Final = 0
TOLD: Final = 1
FIRST_REASON: Final = 2
REASONS_MAX: Final = 250
EVENTS_MAX: Final = 1_000
EVENTS_TOO_MANY: Final = Unreadable(
    "EVENTS_TOO_MANY", f"the joined file tells more than {EVENTS_MAX} events of this loan"
)
_SUM_MAX: Final = 9e18


class Reasons:
    """The distinct reasons why cells of one file can't be read, by the state that stands for each."""

    def __init__(self) -> None:
        self._states: dict[Misread, int] = {}
        self._reasons: list[Misread] = []

    def state_of(self, misread: Misread) -> int:
        """The state of a cell that can't be read for this reason."""
        if misread not in self._states:
            require(len(self._reasons) < REASONS_MAX, "a file has few kinds of unreadable cells")
            self._states[misread] = FIRST_REASON + len(self._reasons)
            self._reasons.append(misread)
        return self._states[misread]

    def reason_of(self, state: int) -> Misread:
        """The reason that a state stands for."""
        return self._reasons[state - FIRST_REASON]


class Kept(Struct, frozen=True, eq=False):
    """Values of r rows, int64 or float64 [r], with their states, uint8[r]."""

    values: NDArray[Any]
    states: NDArray[np.uint8]


class KeptEvents(Struct, frozen=True, eq=False):
    """One rule's events of r rows: states uint8[r], days int32[r] since 1970-01-01, amounts int64[r] in cents."""

    kind: EventKind
    states: NDArray[np.uint8]
    event_days: NDArray[np.int32]
    known_days: NDArray[np.int32]
    amounts: NDArray[np.int64]


class Matched(Struct, frozen=True, eq=False):
    """The k rows that n loans have of a file: `rows` int64[k], never falling, in [0, n), and `positions` int64[k] in the file's order."""

    loans: int
    rows: NDArray[np.int64]
    positions: NDArray[np.int64]


class Found(Struct, frozen=True, eq=False):
    """What was taken for n loans, None = missing, and for some of them the position of a row that can't be read, with its state."""

    values: list[Fact | Unreadable | None]
    misread: dict[int, tuple[int, int]]


def keep_values(values: Sequence[Fact | Misread | None], attribute: Attribute, reasons: Reasons) -> Kept:
    """Values of rows as numbers: cents and whole numbers as they are, days since 1970, a category's place, reals without a negative zero."""
    kind = np.float64 if attribute.type is AttributeType.REAL else np.int64
    codes = {name: code for code, name in enumerate(attribute.categories)}
    numbers = np.zeros(len(values), dtype=kind)
    states = np.zeros(len(values), dtype=np.uint8)
    for place, value in enumerate(values):
        if value is None:
            continue
        if isinstance(value, tuple):
            states[place] = reasons.state_of(value)
            continue
        states[place] = TOLD
        if isinstance(value, str):
            numbers[place] = codes[value]
        elif isinstance(value, date):
            numbers[place] = days_from_date(value)
        else:
            numbers[place] = value + 0
    return Kept(numbers, states)


class Taker:
    """Takes one fact from the rows of a file.

    Parameters
    ----------
    take : how; one of `parts.Take`.
    attribute : what comes out.
    values : of the fact's column; None for "count".
    where : whether each row counts, as values 0 and 1; None = each does.
    before : the day of each row; None = rows are not dated.
    """

    def __init__(
        self, take: str, attribute: Attribute, values: Kept | None, where: Kept | None, before: Kept | None
    ) -> None:
        self._take = take
        self._attribute = attribute
        self._values = values
        self._where = where
        self._before = before

    def take(self, matched: Matched, as_of: NDArray[np.int64], earliest: NDArray[np.int64]) -> Found:
        """The fact of n loans from rows dated in [earliest, as_of), both int64[n] in days since 1970-01-01."""
        rows, positions = matched.rows, matched.positions
        misread: dict[int, tuple[int, int]] = {}
        days = np.zeros(len(rows), dtype=np.int64)
        if self._before is not None:
            rows, positions = self._sift(self._before, rows, positions, misread)
            days = self._before.values[positions]
            kept = (days < as_of[rows]) & (days >= earliest[rows])
            rows, positions, days = rows[kept], positions[kept], days[kept]
        if self._where is not None:
            rows, positions = self._sift(self._where, rows, positions, misread)
            kept = self._where.values[positions] == 1
            rows, positions = rows[kept], positions[kept]
        if self._values is None:
            counts = np.bincount(rows, minlength=matched.loans).tolist()
            is_real = self._attribute.type is AttributeType.REAL
            return Found([float(count) for count in counts] if is_real else counts, misread)
        rows, positions = self._sift(self._values, rows, positions, misread)
        values = self._values.values[positions]
        if self._take == "last":
            assert self._before is not None
            rows, values = _keep_last(matched.loans, rows, values, self._before.values[positions])
        return Found(self._reduce(matched.loans, rows, values), misread)

    @staticmethod
    def _sift(
        kept: Kept, rows: NDArray[np.int64], positions: NDArray[np.int64], misread: dict[int, tuple[int, int]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows that tell something; of each loan the first one that can't be read is noted."""
        states = kept.states[positions]
        for place in np.flatnonzero(states >= FIRST_REASON).tolist():
            misread.setdefault(int(rows[place]), (int(positions[place]), int(states[place])))
        told = states == TOLD
        return rows[told], positions[told]

    def _reduce(self, loans: int, rows: NDArray[np.int64], values: NDArray[Any]) -> list[Fact | Unreadable | None]:
        counts = np.bincount(rows, minlength=loans)
        write = _choose_writer(self._attribute)
        if self._take in {"sum", "mean"}:
            totals = _add_up(loans, rows, values)
            if self._take == "mean":
                totals = [None if t is None else _divide(t, c) for t, c in zip(totals, counts.tolist(), strict=True)]
            return [None if t is None else write(t) if abs(t) <= WHOLE_MAX else NUMBER_TOO_LARGE for t in totals]
        chosen = np.zeros(loans, dtype=values.dtype)
        best = np.minimum if self._take == "min" else np.maximum
        chosen[rows] = values
        best.at(chosen, rows, values)
        return [write(one) if count else None for one, count in zip(chosen.tolist(), counts.tolist(), strict=True)]


def _keep_last(
    loans: int, rows: NDArray[np.int64], values: NDArray[Any], days: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The rows of each loan's last day."""
    last = np.full(loans, np.iinfo(np.int64).min)
    np.maximum.at(last, rows, days)
    kept = days == last[rows]
    return rows[kept], values[kept]


def _add_up(loans: int, rows: NDArray[np.int64], values: NDArray[Any]) -> list[Any]:
    """The sums of n loans, exact for whole numbers and rounded once for reals; None is the sum of nothing."""
    bounds = np.searchsorted(rows, np.arange(loans + 1))
    counts = np.diff(bounds)
    sizes = np.bincount(rows, weights=np.abs(values.astype(np.float64)), minlength=loans)
    if values.dtype == np.int64 and not np.any(sizes >= _SUM_MAX):
        sums = np.zeros(loans, dtype=np.int64)
        np.add.at(sums, rows, values)
        return [total if count else None for total, count in zip(sums.tolist(), counts.tolist(), strict=True)]
    add: Callable[[list[Any]], Any] = sum if values.dtype == np.int64 else fsum
    numbers, ends = values.tolist(), bounds.tolist()
    return [add(numbers[low:high]) if high > low else None for low, high in pairwise(ends)]


def _divide(total: float, count: int) -> float:
    """The mean; of whole numbers half to even."""
    return round(Fraction(total, count)) if isinstance(total, int) else total / count


def _choose_writer(attribute: Attribute) -> Callable[[Any], Fact | None]:
    match attribute.type:
        case AttributeType.CENTS:
            return Cents
        case AttributeType.DATE:
            return date_from_days
        case AttributeType.CATEGORY:
            return lambda code: attribute.categories[code]
        case _:
            return lambda number: number
