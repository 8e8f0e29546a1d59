"""Conditions as regions of the applicants' space, so that rules can be compared before they run.

A condition becomes a union of boxes; a box bounds some operands by an interval (numbers) or a set of codes (categories) and leaves
the rest free. From that follow three questions: can the rule ever hit, does it hit everyone, does an earlier rule already hit
wherever it does. Answers are exact for single boxes and cautious for unions: what is called empty or covered is so.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from instant_credit.application.product import Better
from instant_credit.policy.document import Comparison, Condition
from instant_credit.policy.operands import Operand, OperandKind

BOXES_MAX = 256


class Interval(Struct, frozen=True):
    """Numbers from `low` to `high`; an open end is left out."""

    low: float
    high: float
    is_low_open: bool = False
    is_high_open: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no number lies inside."""
        return self.low > self.high or (self.low == self.high and (self.is_low_open or self.is_high_open))

    def meet(self, other: "Interval") -> "Interval":
        """Numbers in both."""
        low, is_low_open = max((self.low, self.is_low_open), (other.low, other.is_low_open))
        high, is_high_closed = min((self.high, not self.is_high_open), (other.high, not other.is_high_open))
        return Interval(low, high, is_low_open, not is_high_closed)

    def covers(self, other: "Interval") -> bool:
        """Whether every number of `other` lies inside."""
        return self.meet(other) == other


Extent = Interval | frozenset[int]
Box = Mapping[tuple[str, ...], Extent]


class TooComplex(Exception):
    """A condition unfolds into more boxes than are worth looking at."""


def domain_of(operand: Operand) -> Extent:
    """Every value the operand may have: its range at the door, for categories all codes."""
    if operand.kind is OperandKind.CATEGORY:
        return frozenset(range(len(operand.categories)))
    low = -math.inf if operand.minimum is None else operand.minimum
    high = math.inf if operand.maximum is None else operand.maximum
    return Interval(low, high)


def extents_of(
    operand: Operand, compare: Comparison, value: float | frozenset[int], *, is_negated: bool
) -> list[Extent]:
    """Values for which a comparison (or its opposite) holds, within the operand's domain; whole numbers as closed intervals."""
    domain = domain_of(operand)
    if isinstance(domain, frozenset):
        codes = value if isinstance(value, frozenset) else frozenset[int]()
        return [domain - codes if is_negated else domain & codes]
    number = float(value) if not isinstance(value, frozenset) else math.nan
    found = _intervals(compare, number, is_negated=is_negated)
    if operand.is_whole:
        found = [_whole(interval) for interval in found]
    return [interval.meet(domain) for interval in found]


def _intervals(compare: Comparison, value: float, *, is_negated: bool) -> list[Interval]:
    above = Interval(value, math.inf, is_low_open=True)
    below = Interval(-math.inf, value, is_high_open=True)
    at_least = Interval(value, math.inf)
    at_most = Interval(-math.inf, value)
    match compare:
        case Comparison.ABOVE:
            return [at_most if is_negated else above]
        case Comparison.AT_LEAST:
            return [below if is_negated else at_least]
        case Comparison.BELOW:
            return [at_least if is_negated else below]
        case Comparison.AT_MOST:
            return [above if is_negated else at_most]
        case _:
            return [below, above] if is_negated else [Interval(value, value)]


def _whole(interval: Interval) -> Interval:
    """The same whole numbers with closed ends."""
    low = interval.low + 1 if interval.is_low_open and math.isfinite(interval.low) else interval.low
    high = interval.high - 1 if interval.is_high_open and math.isfinite(interval.high) else interval.high
    return Interval(low, high)


Resolve = Callable[[Condition], tuple[Operand, float | frozenset[int]]]


def boxes_of(condition: Condition, resolve: Resolve, *, is_negated: bool = False) -> list[Box]:
    """The boxes in which `condition` (or its opposite) holds; empty ones are left out.

    Parameters
    ----------
    resolve : the operand and value (number, or codes) of a comparison.

    Raises
    ------
    TooComplex : more than `BOXES_MAX` boxes.
    """
    if condition.compare is not None:
        operand, value = resolve(condition)
        found = extents_of(operand, condition.compare, value, is_negated=is_negated)
        return [{operand.names: extent} for extent in found if not is_empty(extent)]
    if condition.not_ is not None:
        return boxes_of(condition.not_, resolve, is_negated=not is_negated)
    parts = [boxes_of(part, resolve, is_negated=is_negated) for part in (condition.any or condition.all)]
    is_union = bool(condition.any) != is_negated
    if is_union:
        return _bounded([box for part in parts for box in part])
    boxes: list[Box] = [{}]
    for part in parts:
        met = (_meet(left, right) for left in boxes for right in part)
        boxes = _bounded([box for box in met if box is not None])
    return boxes


def _bounded(boxes: list[Box]) -> list[Box]:
    if len(boxes) > BOXES_MAX:
        raise TooComplex
    return boxes


def is_empty(extent: Extent) -> bool:
    """Whether nothing lies inside."""
    return extent.is_empty if isinstance(extent, Interval) else not extent


def _meet(left: Box, right: Box) -> Box | None:
    """What lies in both; None when nothing does."""
    met = dict(left)
    for names, extent in right.items():
        own = met.get(names)
        if isinstance(own, Interval) and isinstance(extent, Interval):
            met[names] = own.meet(extent)
        elif isinstance(own, frozenset) and isinstance(extent, frozenset):
            met[names] = own & extent
        else:
            met[names] = extent
        if is_empty(met[names]):
            return None
    return met


def is_covered(boxes: Sequence[Box], by: Sequence[Box]) -> bool:
    """Whether every box lies inside one of `by`, and reads all that the latter reads (a missing value leaves neither open)."""
    return all(any(_covers(outer, inner) for outer in by) for inner in boxes)


def _covers(outer: Box, inner: Box) -> bool:
    for names, extent in outer.items():
        own = inner.get(names)
        if isinstance(extent, Interval):
            if not (isinstance(own, Interval) and extent.covers(own)):
                return False
        elif not (isinstance(own, frozenset) and own <= extent):
            return False
    return True


def favours_worse(extent: Extent, operand: Operand) -> bool:
    """Whether a hit on `extent` never turns into a hit by a better value: it reaches the worse end of the operand's domain."""
    domain = domain_of(operand)
    if isinstance(extent, frozenset) or isinstance(domain, frozenset):
        return True
    is_upper = (extent.high, extent.is_high_open) == (domain.high, domain.is_high_open)
    is_lower = (extent.low, extent.is_low_open) == (domain.low, domain.is_low_open)
    return (is_upper or Better.HIGHER not in operand.worse_when) and (
        is_lower or Better.LOWER not in operand.worse_when
    )
