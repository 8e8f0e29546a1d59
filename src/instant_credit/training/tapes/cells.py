"""Cells of a tape as typed values. Edge.

A cell is a text (csv) or a typed value (parquet). Both are read by one rule, so that a tape gives the same values in either form:
`cell_text` is the one text of a cell, without its type, and everything else reads that text or a number of its own kind. What
can't be read becomes an `Unreadable`, a value with the reason and never with the cell's content, which may be personal.
"""

import re
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from math import isfinite, isnan
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from instant_credit.units import Cents

Cell = str | int | float | bool | date | datetime | Decimal | bytes | None

WHOLE_MAX: Final = 10**15
_DIGITS_MAX: Final = 40
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DAYS_REMEMBERED_MAX: Final = 50_000
_DAY_ZERO: Final = MappingProxyType({"sas": date(1960, 1, 1), "excel": date(1899, 12, 30)})
_DIGITS_OF: Final = MappingProxyType({"%Y": 4, "%y": 2, "%m": 2, "%d": 2})


class Unreadable(Struct, frozen=True, gc=False):
    """Why a cell can't be read: an upper-case condition and a sentence that says what is expected."""

    code: str
    reason: str


NUMBER_EXPECTED: Final = Unreadable(
    "NUMBER_EXPECTED", "expected a number such as 1234.5, without separators or signs of currency"
)
NUMBER_TOO_LARGE: Final = Unreadable("NUMBER_TOO_LARGE", "the number is larger than any this column can hold")
WHOLE_NUMBER_EXPECTED: Final = Unreadable("WHOLE_NUMBER_EXPECTED", "expected a whole number")
VALUE_NOT_MAPPED: Final = Unreadable(
    "VALUE_NOT_MAPPED", "the mapping has no entry for this text; add one to `values` or set `otherwise`"
)


def cell_text(cell: Cell) -> str | None:
    """The text of a cell without its type: 36, 36.0, "36.0" and " 36 " are "36", a day is ISO, NaN and "" are None (missing)."""
    if cell is None:
        return None
    if isinstance(cell, str):
        text = cell.strip()
        return text[:-2] if text.endswith(".0") and text[:-2].removeprefix("-").isdecimal() else text or None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        if isnan(cell):
            return None
        return str(int(cell)) if cell.is_integer() and abs(cell) < WHOLE_MAX else repr(cell)
    if isinstance(cell, Decimal):
        return cell_text(int(cell)) if cell.is_finite() and cell == cell.to_integral_value() else str(cell)
    if isinstance(cell, datetime):
        at_midnight = cell.hour == cell.minute == cell.second == cell.microsecond == 0
        return cell.date().isoformat() if at_midnight else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape").strip() or None
    return str(cell)


def read_decimal(text: str) -> Decimal | Unreadable:
    """A plain decimal number, exactly as written."""
    if len(text) > _DIGITS_MAX or not _NUMBER.fullmatch(text):
        return NUMBER_EXPECTED
    number = Decimal(text)
    return NUMBER_TOO_LARGE if number.adjusted() > 15 and number != 0 else number


def read_cents(text: str, unit_cents: int) -> Cents | Unreadable:
    """An amount written in units of `unit_cents` (100 for dollars), half to even to a whole cent."""
    number = read_decimal(text)
    if isinstance(number, Unreadable):
        return number
    cents = int((number * unit_cents).to_integral_value(ROUND_HALF_EVEN))
    return Cents(cents) if abs(cents) <= WHOLE_MAX else NUMBER_TOO_LARGE


def read_cents_over(text: str, divisor: Decimal, unit_cents: int, divisor_min: float) -> Cents | Unreadable | None:
    """An amount divided by `divisor`, half to even to a whole cent; None (missing) where that is below `divisor_min` (> 0)."""
    number = read_decimal(text)
    if isinstance(number, Unreadable):
        return number
    if divisor < Decimal(repr(divisor_min)):
        return None
    cents = int((number * unit_cents / divisor).to_integral_value(ROUND_HALF_EVEN))
    return Cents(cents) if abs(cents) <= WHOLE_MAX else NUMBER_TOO_LARGE


def read_whole(text: str) -> int | Unreadable:
    """A whole number; 3.0 is one, 3.5 is not."""
    number = read_decimal(text)
    if isinstance(number, Unreadable):
        return number
    return int(number) if number == number.to_integral_value() else WHOLE_NUMBER_EXPECTED


def read_real(text: str, divide_by: float) -> float | Unreadable:
    """A number divided by `divide_by` (100 turns percent into a ratio), as the nearest float64."""
    number = read_decimal(text)
    if isinstance(number, Unreadable):
        return number
    real = float(number) / divide_by
    return real if isfinite(real) else NUMBER_TOO_LARGE


@lru_cache(maxsize=_DAYS_REMEMBERED_MAX)
def read_day(text: str, layout: str) -> date | Unreadable:
    """A day: an ISO date always, a text of `layout` (strptime), or the number of days that "sas" and "excel" count.

    A layout of digits alone, such as ``%y%m%d``, is read as a number that lost the zeros in front: 50102 is 05-01-02 and nothing else.
    """
    try:
        if _is_iso(text):
            return date.fromisoformat(text[:10])
        if layout in _DAY_ZERO:
            number = read_whole(text)
            return number if isinstance(number, Unreadable) else _DAY_ZERO[layout] + timedelta(days=number)
        width = _count_digits(layout)
        if width and (not text.isdecimal() or len(text) > width):
            return Unreadable("DATE_EXPECTED", f"expected a date of {width} digits, of the form {layout}")
        return datetime.strptime(text.zfill(width), layout).date()  # noqa: DTZ007 a day has no zone
    except (ValueError, OverflowError):
        return Unreadable("DATE_EXPECTED", f"expected a date of the form {layout}")


def _count_digits(layout: str) -> int:
    """How many digits a layout of digits alone has; 0 for any other."""
    parts = [layout[place : place + 2] for place in range(0, len(layout), 2)]
    return sum(_DIGITS_OF[part] for part in parts) if all(part in _DIGITS_OF for part in parts) else 0


def _is_iso(text: str) -> bool:
    return len(text) >= 10 and text[4] == "-" and text[7] == "-" and text[:4].isdigit()
