"""The day on which a tape's facts were known, and what its other days say once it is chosen. Edge."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import ceil
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from instant_credit.training.drafting.guessing.guess import Guess, Kind, Use
from instant_credit.training.drafting.reading.days import find_days
from instant_credit.training.drafting.reading.profile import Column
from instant_credit.training.drafting.words import lexicon
from instant_credit.units import add_months, days_from_date

OUTCOME_MONTHS: Final = 12
_MISSING_MAX: Final = 0.2
_LATER_MAX: Final = 0.01
_EARLY_MAX: Final = 0.005
_LISTED_MAX: Final = 6
_YEAR_WORDS: Final = frozenset({"fy", "year", "yr", "vintage", "jahr"})
_QUARTER_WORDS: Final = _YEAR_WORDS | {"quarter", "qtr", "quartal", "trimestre", "cohort", "month"}
_YEAR: Final = re.compile(r"(?<!\d)(19|20)\d\d(?!\d)")
_DAYS_A_YEAR: Final = 365.25
_EARLIEST_ON: Final = date(1970, 1, 1)


class Day(Struct, frozen=True, kw_only=True, eq=False):
    """The day of the facts: a column with its format and float64[n] `days`, or a constant; when an undated outcome is known.

    `add_months` after the day, which is not later than today for the latest row.
    """

    column: str | None = None
    format: str = ""
    days: NDArray[np.float64] | None = None
    constant: date | None = None
    add_months: int = OUTCOME_MONTHS
    doubts: tuple[str, ...] = ()


def choose_day(guesses: Sequence[Guess], words: Mapping[str, list[str]], today: date) -> Day:
    """The column that most likely is the day of application or origination; a constant when none is likely.

    Parameters
    ----------
    words : of the columns of the tape itself; a day of a joined file is not the loan's.
    """
    scored = []
    for guess in guesses:
        if guess.use is Use.FACT and guess.days is not None and guess.column in words:
            score = sum(weight for names, weight in lexicon.AS_OF_DATES if names.names(words[guess.column]))
            missing = float(np.isnan(guess.days.days).mean())
            if score > 0 and missing <= _MISSING_MAX:
                scored.append((score, guess))
    if not scored:
        return _choose_constant(guesses, words, today)
    score, chosen = max(scored, key=lambda one: one[0])
    days = chosen.days
    assert days is not None
    doubts = [f"taken for the day on which the facts were known; it runs from {days.first_on} to {days.last_on}"]
    others = _list_days([guess for _, guess in scored if guess is not chosen])
    if others:
        doubts.append(
            f"could be meant as well, then as column and format of [as_of], and struck from leaks where it stands there: {others}"
        )
    missing = int(np.isnan(days.days).sum())
    doubts += [f"{missing:,} rows have no such day and will be rejected"] if missing else []
    early = int((days.days < days_from_date(_EARLIEST_ON)).sum())
    doubts += [f"{early:,} rows are dated before {_EARLIEST_ON} and will be rejected"] if early else []
    return Day(
        column=chosen.column,
        format=days.format,
        days=days.days,
        add_months=_count_months(days.last_on, today),
        doubts=tuple(doubts),
    )


def _list_days(guesses: Sequence[Guess]) -> str:
    """Columns of days as a person can name them in [as_of], with the time they run over."""
    told = [
        f"{guess.column} ({guess.days.format}, {guess.days.first_on} to {guess.days.last_on})"
        for guess in guesses
        if guess.days is not None
    ]
    more = len(told) - _LISTED_MAX
    return "; ".join([*told[:_LISTED_MAX], f"and {more} more"] if more > 0 else told)


def _choose_constant(guesses: Sequence[Guess], words: Mapping[str, list[str]], today: date) -> Day:
    constant = date(today.year - 2, 1, 1)
    latest = [guess.days.last_on for guess in guesses if guess.use in (Use.FACT, Use.AGE) and guess.days is not None]
    if latest and constant < max(latest) < today:
        constant = max(latest) + timedelta(days=1)
    told = f"no column is the day on which the facts were known: {constant} stands for all rows; write the true one if you know it"
    own = _list_days([guess for guess in guesses if guess.use is Use.FACT and guess.column in words])
    told = f"{told}, or name one of the tape's days as column and format of [as_of]: {own}" if own else told
    return Day(constant=constant, add_months=_count_months(constant, today), doubts=(told,))


def _count_months(latest_on: date, today: date) -> int:
    """Months until an undated outcome is known: a year, or less where the latest row is younger."""
    months = OUTCOME_MONTHS
    while months and add_months(latest_on, months) > today:
        months -= 1
    return months


def check_days(guesses: Collection[Guess], columns: Mapping[str, Column], day: Day) -> Iterator[Guess]:
    """The guesses that change once the day is chosen: other days get their range in years, and what lies after the day is a leak."""
    as_of = day.days if day.constant is None else float(days_from_date(day.constant))
    for guess in guesses:
        if guess.use in (Use.FACT, Use.AGE) and guess.days is not None and guess.column != day.column:
            yield _check_span(guess, as_of)
        elif (
            guess.use is Use.FACT
            and guess.kind in (Kind.WHOLE, Kind.CATEGORY)
            and (_tells_year(columns[guess.column], day) or _tells_quarter(columns[guess.column], day))
        ):
            yield guess.put(Use.WITHHELD, f"the calendar time of {day.column}, which no later application shares")


def _check_span(guess: Guess, as_of: NDArray[np.float64] | float | None) -> Guess:
    assert guess.days is not None
    spans = np.asarray(as_of - guess.days.days) if as_of is not None else np.array([np.nan])
    told = spans[~np.isnan(spans)]
    if not told.size:
        return guess.put(Use.LEFT_OUT, "no row tells both this day and the day of the facts")
    later = float((told < 0).mean())
    if later > _LATER_MAX:
        return guess.put(Use.LEAK, f"lies after the day of the facts in {later:.1%} of the rows")
    years = (max(0.0, float(told.min()) / _DAYS_A_YEAR), max(100.0, ceil(float(told.max()) / _DAYS_A_YEAR) + 1.0))
    guess = replace(guess, low=float(int(years[0])) if guess.use is Use.AGE else 0.0, high=min(years[1], 1000.0))
    rows = int((told < 0).sum())
    return guess.doubt(f"{rows:,} rows tell a day after that of the facts and will be rejected") if rows else guess


def _tells_year(column: Column, day: Day) -> bool:
    if _YEAR_WORDS.isdisjoint(column.words) or not column.is_numeric or day.days is None:
        return False
    is_told = ~np.isnan(column.numbers) & ~np.isnan(day.days)
    years = 1970 + day.days[is_told] / _DAYS_A_YEAR
    return bool(is_told.any() and np.mean(np.abs(column.numbers[is_told] - years) < 1.6) > 0.9)


def _tells_quarter(column: Column, day: Day) -> bool:
    """Whether the texts are quarters or months of years, such as "Q3 2007", in a tape with days."""
    if _QUARTER_WORDS.isdisjoint(column.words) or day.days is None:
        return False
    texts = [text for text, _ in column.counts]
    return sum(_YEAR.search(text) is not None for text in texts) >= 0.9 * len(texts)


def find_event_day(leaks: Mapping[str, Column], labels: NDArray[np.int8], day: Day) -> tuple[str, str] | None:
    """The leak (with its format) that dates nearly all bad outcomes and hardly any good ones, and never lies before the day.

    Parameters
    ----------
    leaks : columns of n rows by name.
    labels : int8[n], 1 = bad, 0 = good, -1 = not told.
    day : of the facts; its `days` are float64[n], NaN = missing.
    """
    for name, column in leaks.items():
        days = find_days(column)
        if days is None:
            continue
        is_told = ~np.isnan(days.days)
        as_of = np.full(len(labels), days_from_date(day.constant)) if day.constant is not None else day.days
        told_bad, told_good = is_told[labels == 1].mean(), is_told[labels == 0].mean()
        if as_of is None or told_bad < 0.9 or told_good > 0.1:
            continue
        early = (days.days < as_of)[is_told & (labels == 1)].mean()
        if early <= _EARLY_MAX:
            return name, days.format
    return None
