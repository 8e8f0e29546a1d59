"""From a column to a guess: by its name first, then by what its cells look like. Edge.

The order is that of caution: what points at a person, what the law closes and what was known too late come before anything that could
become a variable.
"""

from math import isnan
from typing import Final

import numpy as np
from msgspec.structs import replace

from instant_credit.training.drafting.guessing import measures
from instant_credit.training.drafting.guessing.guess import AGE_EDGES, Guess, Kind, Use, as_monitoring
from instant_credit.training.drafting.guessing.values import are_sentences, find_identity, make_values, tell_basis
from instant_credit.training.drafting.reading.days import find_days
from instant_credit.training.drafting.reading.missing import find_missing_numbers, find_missing_texts
from instant_credit.training.drafting.reading.profile import Column
from instant_credit.training.drafting.words import closed_names, lexicon
from instant_credit.training.drafting.words.cell_texts import NULL_TEXTS
from instant_credit.training.drafting.words.naming import Names

CODE_VALUES_MAX: Final = 25
_FEW: Final = 20
_LONG_MIN: Final = 1e7
_LOOKED_AT: Final = 1_000
_PERSON_DOUBT: Final = "taken for the borrower's number, because rows share it"
_CODE_WORDS: Final = frozenset({"cd", "code", "naics", "sic", "id"})
_EXACT_MAX: Final = 2.0**53
_ROW_WORDS: Final = frozenset(
    {"unnamed", "index", "x", "row", "rows", "rownames", "names", "rownum", "number", "obs", "v", "lfd", "nr", "0", "1"}
)
_DECIDED_VALUES_MAX: Final = 6
_AGE_LEAST: Final = 14


def guess_column(column: Column, names: Names, *, is_kept: bool = False) -> Guess:
    """What `column` seems to be.

    Parameters
    ----------
    names : holds the names already given.
    is_kept : whether a person said that it was known in time and may be used; the law and persons' names still come first.
    """
    if not column.is_nameable:
        return _leave_nameless(column)
    name = names.take_column(column.name, column.place)
    told = [(text, rows) for text, rows in column.counts if text not in NULL_TEXTS]
    base = Guess(
        column=column.name,
        name=name,
        use=Use.FACT,
        told=sum(rows for _, rows in told),
        distinct=len(told),
        is_unique=len(told) == column.rows,
    )
    if not told:
        return base.put(Use.LEFT_OUT, "empty in every row")
    if set(column.words) <= _ROW_WORDS and _numbers_rows(column):
        return base.put(Use.LEFT_OUT, "the number of the row")
    if len(told) == 1 and told[0][1] == column.rows:
        return base.put(Use.LEFT_OUT, "the same in every row")
    guess = _guess_closed(column, base, told) or (None if is_kept else _guess_late(column, base, told))
    return guess or _guess_shaped(column, base, told)


def _leave_nameless(column: Column) -> Guess:
    """A column that no mapping can name: the number of the row, or something that a person may want to name."""
    guess = Guess(column=column.name, name=f"column_{column.place + 1}", use=Use.LEFT_OUT)
    if column.name:
        return guess.put(Use.LEFT_OUT, "a column without a name that a mapping can hold")
    if _numbers_rows(column):
        return guess.put(Use.LEFT_OUT, "the number of the row")
    why = "a column without a name"
    told = f"column {column.place + 1} of the file has no name, so nothing can be made of it; name it in the file's first line"
    return guess.put(Use.LEFT_OUT, why, told) if column.told else guess.put(Use.LEFT_OUT, why)


def _guess_closed(column: Column, base: Guess, told: list[tuple[str, int]]) -> Guess | None:
    """What the name alone keeps from being a fact, whatever a person wishes: persons, and what the law closes."""
    words = column.words
    is_spread = len(told) > _FEW or 2 * len(told) > base.told
    if (
        closed_names.IDENTITIES.names(words) or (closed_names.STAFF.names(words) and not column.is_numeric)
    ) and is_spread:
        return replace(base.put(Use.WITHHELD, "points at a person"), is_identity=True)
    if closed_names.BIRTHS.names(words):
        days = find_days(column)
        if days is not None:
            why = "a date of birth: age may be used when an older applicant never fares worse (12 CFR 1002.6(b)(2))"
            return replace(base.put(Use.AGE, why, *days.doubts), kind=Kind.DAY, days=days)
        return replace(
            base.put(Use.WITHHELD, "tells of birth, in a form that can't be read as a day"), is_identity=True
        )
    if closed_names.AGES.names(words):
        return _guess_age(column, base)
    if closed_names.PROHIBITED.names(words):
        guess = _as_category(column, base) if len(told) <= CODE_VALUES_MAX or not column.is_numeric else base
        return as_monitoring(
            guess, "its name tells of a prohibited basis (12 CFR 1002.2(z)); measured for fairness only"
        )
    if closed_names.PLACES.names(words):
        return base.put(Use.WITHHELD, "a place finer than a state can stand for a prohibited basis")
    return None


def _guess_late(column: Column, base: Guess, told: list[tuple[str, int]]) -> Guess | None:
    """What the name says was filled after the decision, set by the lender, or written by somebody."""
    words = column.words
    is_spread = len(told) > _FEW or 2 * len(told) > base.told
    if lexicon.LEAKS.names(words):
        return base.put(Use.LEAK, "its name tells of what happened after the decision")
    if lexicon.tells_decision(words) and len(told) <= _DECIDED_VALUES_MAX:
        return base.put(Use.LEAK, "the lender's own decision")
    if lexicon.PRICES.names(words) or (set(words) & lexicon.INSTALMENTS and len(set(words) - lexicon.INSTALMENTS) == 0):
        return base.put(Use.WITHHELD, "the lender's own price or grade, which encodes an earlier score")
    if closed_names.FREE_TEXTS.names(words) and is_spread and not column.is_numeric:
        return replace(base.put(Use.WITHHELD, "free text"), is_identity=True)
    return None


def _guess_age(column: Column, base: Guess) -> Guess:
    why = (
        "age: measured for fairness only. It may be used when an older applicant never fares worse (12 CFR 1002.6(b)(2)): as a "
        'date of birth with legal = "age", op span_months, direction = "decreasing"'
    )
    if not column.is_numeric:
        return as_monitoring(_as_category(column, base), why)
    missing = find_missing_numbers(column)
    codes = {text for text, _, _ in missing.texts}
    numbers = [number for number, _ in _list_numbers(column, codes)]
    if numbers and len(numbers) <= CODE_VALUES_MAX and max(numbers) < _AGE_LEAST:
        return as_monitoring(_as_category(column, base), why)
    if numbers and min(numbers) >= 0 and _AGE_LEAST <= max(numbers) <= 150:
        guess = replace(base, edges=AGE_EDGES, missing=missing, low=min(numbers), high=max(numbers))
        return as_monitoring(_with_numerals(column, guess), why)
    return base.put(Use.WITHHELD, "tells of age, in no form of years")


def _guess_shaped(column: Column, base: Guess, told: list[tuple[str, int]]) -> Guess:
    """What the cells say."""
    words = column.words
    is_id = lexicon.IDS.names(words) or set(words) <= lexicon.PERSONS.words
    days = find_days(column) if not measures.MONEY.names(words) else None
    if days is not None and not (base.is_unique and is_id):
        guess = replace(base, kind=Kind.DAY, days=days).doubt(*days.doubts)
        return (
            guess.doubt(f"{days.unread:,} rows hold no day of this form and will be rejected") if days.unread else guess
        )
    if (
        lexicon.WEIGHTS.names(words)
        and column.is_numeric
        and min(column.number_counts)[0] > 0
        and base.told == column.rows
    ):
        return base.put(Use.WEIGHT, "how many loans a row stands for", "taken for a sampling weight by its name")
    if is_id or (base.is_unique and _counts_rows(column)):
        if base.is_unique:
            return base.put(Use.KEY, "names the row")
        if lexicon.PERSONS.names(words) and len(told) > _FEW:
            return base.put(Use.PERSON, "names the borrower", _PERSON_DOUBT)
        if 10 * len(told) > 3 * base.told and len(told) > _FEW:
            return base.put(Use.WITHHELD, "an identifier")
    if not column.is_numeric:
        return _guess_text(column, base, told)
    identity = None if column.numerals.is_plain else find_identity(told, column.rows)
    is_spread = len(told) > _FEW and 10 * len(told) > 9 * base.told
    if identity is None and is_spread and _are_long(column) and not measures.is_measured(words):
        identity = "nearly every row has a long whole number of its own, as accounts and persons have"
    if identity is not None:
        return replace(base.put(Use.WITHHELD, identity, f"withheld, because {identity}"), is_identity=True)
    return _guess_number(column, base)


def _are_long(column: Column) -> bool:
    """Whether the numbers are whole and of eight digits or more."""
    numbers = [number for number, _ in column.number_counts]
    return numbers[0] >= _LONG_MIN and all(number.is_integer() for number in numbers)


def _numbers_rows(column: Column) -> bool:
    """Whether the column is 0, 1, 2, ... or 1, 2, 3, ... from the first row on."""
    numbers = column.numbers
    return bool(
        column.rows > 1 and numbers[0] in (0.0, 1.0) and np.array_equal(numbers, numbers[0] + np.arange(column.rows))
    )


def _counts_rows(column: Column) -> bool:
    """Whether the column is 0, 1, 2, ... in some order."""
    if not column.is_numeric or column.rows < _FEW:
        return False
    low, high = column.number_counts[0][0], column.number_counts[-1][0]
    return low in (0.0, 1.0) and high - low == column.rows - 1


def _guess_text(column: Column, base: Guess, told: list[tuple[str, int]]) -> Guess:
    identity = find_identity(told, column.rows)
    if identity is not None:
        return replace(base.put(Use.WITHHELD, identity, f"withheld, because {identity}"), is_identity=True)
    basis = tell_basis([text for text, _ in told])
    if basis is not None:
        why = f"its values tell of {basis}, a prohibited basis (12 CFR 1002.2(z)); measured for fairness only"
        return as_monitoring(_as_category(column, base), why)
    are_bands = len(told) <= CODE_VALUES_MAX and all(any(one.isdigit() for one in text) for text, _ in told)
    if column.numerals.rows >= 0.5 * base.told and column.numerals.rows > 1 and not are_bands:
        return base.put(
            Use.WITHHELD,
            "half numbers, half texts",
            "numbers and texts stand side by side in it; say in `null` or `values` what the texts mean and make it a fact, or leave it",
        )
    if (
        lexicon.PERSONS.names(column.words)
        and len(told) > _FEW
        and not any(" " in text for text, _ in told[:_LOOKED_AT])
    ):
        return base.put(Use.PERSON, "names the borrower", _PERSON_DOUBT)
    if are_sentences(told):
        return replace(base.put(Use.WITHHELD, "free text, or nearly as many values as rows"), is_identity=True)
    guess = _as_category(column, base)
    if guess.rest:
        guess = guess.doubt(
            f"{base.distinct:,} values: {len(guess.values)} are kept, {guess.rest:,} rows are told as other, and an application sends other "
            "for every value that is not listed"
        )
    if closed_names.AREAS.names(column.words):
        guess = guess.doubt("a region can stand for a prohibited basis: keep it only if its risk is understood")
    return guess


def _as_category(column: Column, base: Guess) -> Guess:
    missing = find_missing_texts(column)
    codes = {text for text, _, _ in missing.texts}
    values, rest = make_values([(text, rows) for text, rows in column.counts if text not in codes])
    if not values:
        return base.put(Use.WITHHELD, "no value of it can stand in a mapping")
    return replace(
        base,
        kind=Kind.CATEGORY,
        unit="category",
        missing=missing,
        values=values,
        rest=rest,
        told=sum(value.rows for value in values) + rest,
        doubts=(*base.doubts, *missing.doubts),
    )


def _guess_number(column: Column, base: Guess) -> Guess:
    missing = find_missing_numbers(column)
    codes = {text for text, _, _ in missing.texts}
    counts = _list_numbers(column, codes)
    if not counts:
        return base.put(Use.LEFT_OUT, "nothing but codes for missing")
    values = [number for number, _ in counts]
    words = column.words
    is_whole = all(number.is_integer() for number in values) and max(map(abs, values)) < _EXACT_MAX
    is_code = (
        is_whole
        and not measures.MONEY.names(words)
        and (measures.CODES.names(words) or ("id" in words and lexicon.IDS.names(words)))
    )
    is_coded = len(values) <= CODE_VALUES_MAX or not _CODE_WORDS.isdisjoint(words)
    if is_code and is_coded and not set(values) <= {0.0, 1.0}:
        return _code_category(column, base)
    told = sum(rows for _, rows in counts)
    guess = replace(
        base, missing=missing, low=values[0], high=values[-1], told=told, distinct=len(values), doubts=missing.doubts
    )
    guess = _with_numerals(column, guess)
    if set(values) <= {0.0, 1.0}:
        return replace(guess, kind=Kind.FLAG, unit="flag")
    kind, unit = measures.choose_measure(words, values, is_whole=is_whole, median=_median(counts))
    guess = replace(guess, kind=kind, unit=unit)
    if kind is Kind.WHOLE and len(values) <= 10 and unit == "number" and values[0] >= 0 and not _mostly_zero(counts):
        guess = guess.doubt("few whole numbers: if they are codes without an order, make it a category")
    if lexicon.DECIDED.names(words):
        guess = guess.doubt(
            "it may tell what was approved or paid out, which no application knows yet: make sure that it was asked for"
        )
    if closed_names.FAMILIES.names(words):
        guess = guess.doubt(
            "the number of dependents may be asked, but not used to tell of marriage or childbearing (12 CFR 1002.5(d))"
        )
    return guess


def _list_numbers(column: Column, codes: set[str]) -> list[tuple[float, int]]:
    """The numbers that are told and no codes for missing, rising, with their rows."""
    counts = [(column.numerals.read(text), rows) for text, rows in column.counts if text not in codes]
    return sorted((number, rows) for number, rows in counts if not isnan(number))


def _code_category(column: Column, base: Guess) -> Guess:
    guess = _as_category(column, base).doubt(
        "whole numbers taken for codes by the column's name; if they count something, make it a number"
    )
    return (
        guess.doubt(
            f"{guess.rest:,} rows of rare codes are told as other, and an application sends other for every code that is not listed"
        )
        if guess.rest
        else guess
    )


def _with_numerals(column: Column, guess: Guess) -> Guess:
    return replace(guess, suffix=column.numerals.suffix)


def _mostly_zero(counts: list[tuple[float, int]]) -> bool:
    """Whether the numbers fall off from 0 as counts of rare things do."""
    return counts[0][0] == 0 and 2 * counts[0][1] > sum(rows for _, rows in counts)


def _median(counts: list[tuple[float, int]]) -> float:
    total, seen = sum(rows for _, rows in counts), 0
    for number, rows in counts:
        seen += rows
        if 2 * seen >= total:
            return number
    return counts[-1][0]
