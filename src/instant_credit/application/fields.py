"""Checks of one fact each: a natural value in, the value a Case keeps or a Problem out.

A check knows its attribute and its pointer, never another field. Natural values are ints for cents and whole numbers, ints or
floats for reals, names for categories and dates for days; None is missing. Numbers are told apart by their exact type, because
a bool is an int to Python and a datetime is a date. No message repeats what was sent.
"""

import math
from calendar import isleap
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from instant_credit.application.product import Attribute, AttributeType, MissingRule
from instant_credit.errors import Problem
from instant_credit.units import EPOCH_ORDINAL

FIELD_MISSING: Final = "FIELD_MISSING"
FIELD_UNKNOWN: Final = "FIELD_UNKNOWN"
FIELD_REPEATED: Final = "FIELD_REPEATED"
TYPE_WRONG: Final = "TYPE_WRONG"
BELOW_MINIMUM: Final = "VALUE_BELOW_MINIMUM"
ABOVE_MAXIMUM: Final = "VALUE_ABOVE_MAXIMUM"
CATEGORY_UNKNOWN: Final = "CATEGORY_UNKNOWN"
DATE_TOO_EARLY: Final = "DATE_TOO_EARLY"
DATE_TOO_LATE: Final = "DATE_TOO_LATE"
CODE_MISSING: Final = -1
CATEGORIES_SPELLED_OUT: Final = 20

type_names: Final = {
    AttributeType.CENTS: "a whole number of minor units of currency",
    AttributeType.INTEGER: "a whole number",
    AttributeType.REAL: "a number",
    AttributeType.CATEGORY: "one of the category names",
    AttributeType.DATE: "a date, YYYY-MM-DD",
}

Kept = int | float | None
Check = Callable[[object, date], Kept | Problem]


def make_check(attribute: Attribute, pointer: str) -> Check:
    """The check of `attribute`, whose problems point to `pointer`.

    Returns
    -------
    check(value, as_of) -> int cents, int, float, category code (-1 = missing) or days since 1970-01-01; None = missing;
    or the Problem.
    """
    if attribute.type is AttributeType.CATEGORY:
        return _make_category_check(attribute, pointer)
    if attribute.type is AttributeType.DATE:
        return _make_date_check(attribute, pointer)
    if attribute.type is AttributeType.REAL:
        return _make_real_check(attribute, pointer)
    return _make_whole_check(attribute, pointer)


def value_when_missing(attribute: Attribute) -> Kept:
    """What a Case keeps for an optional fact that was not told."""
    if attribute.type is AttributeType.CATEGORY:
        return CODE_MISSING
    if attribute.missing is MissingRule.ZERO:
        return 0.0 if attribute.type is AttributeType.REAL else 0
    return None


def range_text(attribute: Attribute) -> str:
    """What `attribute` accepts, for people."""
    kind = type_names[attribute.type]
    if attribute.type is AttributeType.CATEGORY:
        if len(attribute.categories) <= CATEGORIES_SPELLED_OUT:
            return "one of: " + ", ".join(attribute.categories)
        return f"one of the {len(attribute.categories)} names in the product's schema"
    low, high = number_text(attribute.minimum), number_text(attribute.maximum)
    if attribute.type is AttributeType.DATE:
        return f"{kind}, at least {low} and at most {high} years before the application"
    return f"{kind} from {low} to {high}"


def number_text(bound: float | None) -> str:
    """A bound without a needless fraction: 10000.0 -> "10000"."""
    bound = 0.0 if bound is None else bound
    return str(int(bound)) if bound == int(bound) else str(bound)


@lru_cache(maxsize=4096)
def years_before(day: date, years: int) -> date:
    """The same day `years` earlier; 28 February where 29 does not exist, and never before the first day of year 1."""
    year = day.year - years
    if year < 1:
        return date.min
    if day.month == 2 and day.day == 29 and not isleap(year):
        return date(year, 2, 28)
    return day.replace(year=year)


def _missing(attribute: Attribute, pointer: str) -> Kept | Problem:
    if attribute.is_required:
        return Problem(pointer=pointer, code=FIELD_MISSING, message=f"required: {range_text(attribute)}")
    return value_when_missing(attribute)


def _outside(attribute: Attribute, pointer: str) -> tuple[Problem, Problem, Problem]:
    """Problems for a wrong type, a value below the range, a value above it."""
    message = f"must be {range_text(attribute)}"
    return (
        Problem(pointer=pointer, code=TYPE_WRONG, message=message),
        Problem(pointer=pointer, code=BELOW_MINIMUM, message=message),
        Problem(pointer=pointer, code=ABOVE_MAXIMUM, message=message),
    )


def bounds(attribute: Attribute) -> tuple[float, float]:
    """Lowest and highest accepted number."""
    low = -math.inf if attribute.minimum is None else attribute.minimum
    high = math.inf if attribute.maximum is None else attribute.maximum
    return low, high


def _make_whole_check(attribute: Attribute, pointer: str) -> Check:
    low, high = bounds(attribute)
    missing = _missing(attribute, pointer)
    wrong, below, above = _outside(attribute, pointer)

    def check(value: object, as_of: date) -> Kept | Problem:
        if value is None:
            return missing
        if type(value) is not int:
            return wrong
        if value < low:
            return below
        return above if value > high else value

    return check


def _make_real_check(attribute: Attribute, pointer: str) -> Check:
    low, high = bounds(attribute)
    missing = _missing(attribute, pointer)
    wrong, below, above = _outside(attribute, pointer)

    def check(value: object, as_of: date) -> Kept | Problem:
        if value is None:
            return missing
        if type(value) is not float and type(value) is not int:
            return wrong
        # A whole number is compared before it is made a float, which it might be too large for; adding 0.0 unsigns a zero.
        if low <= value <= high:
            return float(value) + 0.0
        if value < low:
            return below
        return above if value > high else wrong

    return check


def _make_category_check(attribute: Attribute, pointer: str) -> Check:
    codes = {name: code for code, name in enumerate(attribute.categories)}
    missing = _missing(attribute, pointer)
    wrong, _, _ = _outside(attribute, pointer)
    unknown = Problem(pointer=pointer, code=CATEGORY_UNKNOWN, message=wrong.message)

    def check(value: object, as_of: date) -> Kept | Problem:
        if value is None:
            return missing
        if type(value) is not str:
            return wrong
        return codes.get(value, unknown)

    return check


def _make_date_check(attribute: Attribute, pointer: str) -> Check:
    low, high = bounds(attribute)
    missing = _missing(attribute, pointer)
    wrong, below, above = _outside(attribute, pointer)
    late = Problem(pointer=pointer, code=DATE_TOO_LATE, message=below.message)
    early = Problem(pointer=pointer, code=DATE_TOO_EARLY, message=above.message)
    years_least, years_most = int(low), int(high)

    def check(value: object, as_of: date) -> Kept | Problem:
        if value is None:
            return missing
        if not isinstance(value, date) or isinstance(value, datetime):
            return wrong
        if value > years_before(as_of, years_least):
            return late
        return early if value < years_before(as_of, years_most) else value.toordinal() - EPOCH_ORDINAL

    return check
