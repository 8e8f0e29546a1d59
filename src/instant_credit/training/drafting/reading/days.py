"""Columns of days: which of the forms that the importer reads they are written in. Edge."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.training.drafting.reading.profile import Column
from instant_credit.training.drafting.words.cell_texts import NULL_TEXTS_OF_NUMBERS
from instant_credit.training.drafting.words.lexicon import DATES
from instant_credit.training.tapes.cells import Unreadable, read_day
from instant_credit.units import days_from_date

ISO: Final = "%Y-%m-%d"
_YEAR_MIN: Final = 1900
_YEAR_MAX: Final = 2100
_TRIED: Final = 60
_SHARE_MIN: Final = 0.98
_SURE_DISTINCT: Final = 20
_DIGIT_FORMS: Final = ("%Y%m%d", "%Y%m", "%y%m%d")
_DAY_NUMBERS: Final = (("excel", 29_000.0, 55_000.0), ("sas", 5_000.0, 27_000.0))
_TEXT_FORMS: Final = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *(
        "%b-%Y",
        "%b %Y",
        "%B %Y",
        "%B-%Y",
        "%b-%y",
        "%m/%Y",
        "%Y-%m",
        "%Y/%m",
        "%d-%b-%Y",
        "%d-%b-%y",
        "%d %b %Y",
        "%d%b%Y",
    ),
    *("%d %B %Y", "%B %d, %Y", "%b %d, %Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d%b%y", "%y-%b"),
    *(
        "%d/%m/%Y %H:%M",
        "%m/%d/%Y %H:%M",
        "%d/%m/%Y %H:%M:%S",
        "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %I:%M:%S %p",
        "%d.%m.%Y %H:%M",
    ),
    *("%Y/%m/%d %H:%M:%S", "%d-%b-%Y %H:%M:%S", "%d%b%Y:%H:%M:%S", "%y%m%d %H:%M:%S"),
)
_SWAPPED: Final = {one: one.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m") for one in _TEXT_FORMS}


class Days(Struct, frozen=True, kw_only=True, eq=False):
    """A column of days.

    Attributes
    ----------
    format : as a mapping names it.
    days : float64[n], days since 1970-01-01, NaN = missing or no day.
    doubts : sentences for a person.
    unread : rows that are told and can't be read, but for texts that mean missing.
    """

    format: str
    days: NDArray[np.float64]
    doubts: tuple[str, ...] = ()
    unread: int = 0

    @property
    def first_on(self) -> date:
        """The earliest day."""
        return date.fromordinal(int(np.nanmin(self.days)) + date(1970, 1, 1).toordinal())

    @property
    def last_on(self) -> date:
        """The latest day."""
        return date.fromordinal(int(np.nanmax(self.days)) + date(1970, 1, 1).toordinal())


def find_days(column: Column) -> Days | None:
    """How `column` writes days; None when it seems to hold none."""
    counts = [(text, rows) for text, rows in column.counts if text not in NULL_TEXTS_OF_NUMBERS]
    if not counts or (sum(map(str.isdecimal, (text for text, _ in counts[:_TRIED]))) == 0 and not _has_digits(counts)):
        return None
    is_named = DATES.names(column.words)
    if all(text.removeprefix("-").isdecimal() for text, _ in counts[:_TRIED]):
        return _find_digit_days(column, counts, is_named=is_named)
    for layout in (ISO, *_TEXT_FORMS):
        if not _fits(counts[:_TRIED], layout):
            continue
        swapped = _SWAPPED.get(layout, layout)
        if not _fits(counts, layout) and swapped != layout and _fits(counts, swapped):
            layout, swapped = swapped, layout  # noqa: PLW2901 the day stands where the month was tried
        if _fits(counts, layout):
            doubts: tuple[str, ...] = ()
            if swapped != layout and _fits(counts, swapped):
                doubts = (f"no day tells whether {layout} or {swapped} is meant",)
            return _read(column, layout, doubts)
    return None


def _find_digit_days(column: Column, counts: Sequence[tuple[str, int]], *, is_named: bool) -> Days | None:
    is_sure = is_named or len(counts) >= _SURE_DISTINCT
    for layout in _DIGIT_FORMS if is_sure else ():
        length = 8 if layout == "%Y%m%d" else 6
        lengths = {len(text) for text, _ in counts}
        is_long_enough = lengths == {length} or (is_named and max(lengths) == length and layout == "%y%m%d")
        if is_long_enough and _fits(counts, layout):
            doubts: tuple[str, ...] = ()
            if layout == "%y%m%d":
                doubts = ("days of six digits are read as year, month, day, from 1969 to 2068",)
            return _read(column, layout, doubts)
    values = [float(text) for text, _ in counts]
    for layout, low, high in _DAY_NUMBERS if is_named and len(counts) >= 3 else ():
        if low <= min(values) and max(values) <= high:
            origin = "1960-01-01 (SAS)" if layout == "sas" else "1899-12-30 (Excel)"
            return _read(column, layout, (f"whole numbers taken for days since {origin}",))
    return None


def _has_digits(counts: Sequence[tuple[str, int]]) -> bool:
    tried = [text for text, _ in counts[:_TRIED]]
    return sum(any(one.isdigit() for one in text) for text in tried) >= _SHARE_MIN * len(tried)


def _fits(counts: Sequence[tuple[str, int]], layout: str) -> bool:
    rows = sum(count for _, count in counts)
    read = sum(count for text, count in counts if _read_one(text, layout) is not None)
    return read >= _SHARE_MIN * rows


def _read_one(text: str, layout: str) -> int | None:
    day = read_day(text, layout)
    if isinstance(day, Unreadable) or not _YEAR_MIN <= day.year <= _YEAR_MAX:
        return None
    return days_from_date(day)


def _read(column: Column, layout: str, doubts: tuple[str, ...]) -> Days:
    table = {text: _read_one(text, layout) for text, _ in column.counts}
    unread = sum(rows for text, rows in column.counts if table[text] is None and text not in NULL_TEXTS_OF_NUMBERS)
    days = pl.Series([None if text is None else table[text] for text in column.texts.to_list()], dtype=pl.Float64)
    return Days(format=layout, days=days.fill_null(np.nan).to_numpy(), doubts=doubts, unread=unread)
