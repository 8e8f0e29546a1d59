"""Facts out of a joined file of many rows: how many rows came before the day, and what their numbers add up to. Edge."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from msgspec.structs import replace
from numpy.typing import NDArray

from instant_credit.outcome.events import EventKind
from instant_credit.training.drafting.guessing import measures
from instant_credit.training.drafting.guessing.columns import guess_column
from instant_credit.training.drafting.guessing.guess import Guess, Kind, Taking, Use
from instant_credit.training.drafting.loans.joins import Joined
from instant_credit.training.drafting.loans.outcome import Outcome, OutcomeText, find_outcome
from instant_credit.training.drafting.reading.days import Days
from instant_credit.training.drafting.reading.profile import Column
from instant_credit.training.drafting.words import lexicon
from instant_credit.training.drafting.words.naming import Names

_NUMBERS_MAX: Final = 4
_CATEGORIES_MAX: Final = 3
_VALUES_MAX: Final = 8
_TAKES: Final = {
    Kind.AMOUNT: ("sum", "mean", "min", "max", "last"),
    Kind.WHOLE: ("min", "max", "last"),
    Kind.REAL: ("mean", "min", "max", "last"),
}


class History:
    """The rows of one joined file that came before the day of the row of the tape that they belong to.

    Parameters
    ----------
    joined : the file. on : the tape's column of its key. as_of : float64[n], days since 1970; None where the tape has no days.
    """

    def __init__(self, joined: Joined, on: Column, as_of: NDArray[np.float64] | None) -> None:
        self.joined = joined
        columns = [column for name, column in joined.tape.columns.items() if name != joined.key]
        own_names = Names("column")
        self.guesses = {column.name: guess_column(column, own_names) for column in columns}
        self.before = _find_before(self.guesses, joined, on, as_of)
        self._rows = len(on.texts)
        self._pairs = self._place_rows(on, as_of)
        self._frame = self._pairs.filter(pl.col("day") < pl.col("as_of"))
        self._told: str | None = None

    def _place_rows(self, on: Column, as_of: NDArray[np.float64] | None) -> pl.DataFrame:
        """`row` of the tape with its `as_of`, and `place` in the file with its `day`, of every pair of one key."""
        right = (
            pl.DataFrame({"key": self.joined.tape.columns[self.joined.key].texts})
            .with_row_index("place")
            .drop_nulls("key")
        )
        days = None if self.before is None else self.before[1].days
        right = right.with_columns((pl.lit(0.0) if days is None else pl.Series(days)[right["place"]]).alias("day"))
        left = pl.DataFrame({"key": on.texts}).with_row_index("row").drop_nulls("key")
        left = left.with_columns(
            (pl.lit(1.0) if as_of is None or days is None else pl.Series(as_of)[left["row"]]).alias("as_of")
        )
        return left.join(right, on="key", how="inner")

    def tell_outcome(self, told: str | None, bad: Sequence[str]) -> Outcome | None:
        """The outcome that the file's rows after the loan's day tell; None when they seem to tell none.

        A loan with a bad row is bad, one with good rows alone is good, and one without either is not known.
        """
        if self.before is None:
            return None
        columns = self.joined.tape.columns
        own = None if told is None else told.removeprefix(f"{self.joined.name}.")
        found = (
            find_outcome([columns[name] for name in self.guesses], own, bad) if own is None or own in columns else None
        )
        if found is None or not found.is_told or found.column == self.before[0]:
            return None
        after = self._pairs.filter(pl.col("day") >= pl.col("as_of"))
        told_rows = after.with_columns(pl.Series("label", found.labels)[after["place"]].alias("label")).filter(
            pl.col("label") >= 0
        )
        worst = told_rows.group_by("row").agg(pl.col("label").max())
        labels = np.full(self._rows, -1, dtype=np.int8)
        labels[worst["row"].to_numpy()] = worst["label"].to_numpy()
        texts, instalments = self._settle_paid(found, after)
        self._told = found.column
        return replace(
            found,
            column=f"{self.joined.name}.{found.column}",
            texts=texts,
            labels=labels,
            others=(),
            file=self.joined.name,
            day=(self.before[0], self.before[1].format),
            doubts=(
                *found.doubts,
                *instalments,
                (
                    f"the rows of {self.joined.name} after the loan's day were taken for its outcome: {int((labels == 1).sum()):,} loans are bad, "
                    f"{int((labels == 0).sum()):,} good, {int((labels < 0).sum()):,} not known"
                ),
            ),
        )

    def _settle_paid(self, found: Outcome, after: pl.DataFrame) -> tuple[tuple[OutcomeText, ...], tuple[str, ...]]:
        """The outcome's texts, and a doubt where rows that say "paid" pay an instalment: a loan is repaid in full once at most."""
        paid = [one.text for one in found.texts if one.kind is EventKind.PAID]
        texts = self.joined.tape.columns[found.column].texts
        rows = after.filter(texts[after["place"]].is_in(paid))["row"] if paid else pl.Series(dtype=pl.Int64)
        if not rows.is_duplicated().any():
            return found.texts, ()
        told = ", ".join(paid)
        doubt = (
            f"a loan has several rows that say {told}, so each was taken for an instalment (current) and not for the whole loan: a loan "
            "whose last row says so counts as good although it may still turn bad; where one text tells that the loan is repaid in full, give "
            'it an event of its own with kind = "paid", and strike the current one where loans are not resolved yet'
        )
        kept = [replace(one, kind=EventKind.CURRENT) if one.kind is EventKind.PAID else one for one in found.texts]
        return tuple(kept), (doubt,)

    def make_facts(self, names: Names) -> list[tuple[Guess, NDArray[np.float64]]]:
        """The facts that the file can give, each with its n values (NaN = missing)."""
        prefix = self.joined.name
        facts = [self._count(names, f"{prefix} rows", None)]
        numbers = [guess for guess in self.guesses.values() if guess.use is Use.FACT and guess.kind in _TAKES]
        numbers = [guess for guess in numbers if not self._names_somebody(guess.column)]
        for guess in numbers[:_NUMBERS_MAX]:
            takes = [take for take in _TAKES[guess.kind] if take != "last" or self.before is not None]
            facts.extend(self._take(names, guess, take) for take in takes)
        choices = [
            guess
            for guess in self.guesses.values()
            if guess.use is Use.FACT
            and guess.kind is Kind.CATEGORY
            and not guess.rest
            and 2 <= len(guess.values) <= _VALUES_MAX
            and guess.column != self._told
        ]
        for guess in choices[:_CATEGORIES_MAX]:
            facts.extend(
                self._count(names, f"{prefix} {guess.name} {value.category}", (guess.column, value.text))
                for value in guess.values
            )
        return facts

    def _names_somebody(self, name: str) -> bool:
        """Whether a number is that of an account or a person, which can't be added up."""
        words = self.joined.tape.columns[name].words
        return lexicon.IDS.names(words) or (lexicon.PERSONS.names(words) and not measures.MONEY.names(words))

    def _count(self, names: Names, label: str, where: tuple[str, str] | None) -> tuple[Guess, NDArray[np.float64]]:
        frame = self._frame
        if where is not None:
            texts = self.joined.tape.columns[where[0]].texts
            frame = frame.filter((texts[frame["place"]] == where[1]).fill_null(value=False))
        values = np.bincount(frame["row"].to_numpy(), minlength=self._rows).astype(np.float64)
        guess = Guess(
            column=self.joined.name, name=names.take_column(label, 0), use=Use.FACT, kind=Kind.WHOLE, unit="count"
        )
        return self._finish(guess, Taking(file=self.joined.name, take="count", where=where), values)

    def _take(self, names: Names, told: Guess, take: str) -> tuple[Guess, NDArray[np.float64]]:
        numbers = self.joined.tape.columns[told.column].numbers.copy()
        for text, _, _ in told.missing.texts:
            numbers[numbers == self.joined.tape.columns[told.column].numerals.read(text)] = np.nan
        frame = self._frame.with_columns(pl.Series("value", numbers)[self._frame["place"]]).filter(
            pl.col("value").is_not_nan()
        )
        value = pl.col("value")
        how = {"sum": value.sum(), "mean": value.mean(), "min": value.min(), "max": value.max()}
        if take == "last":
            how["last"] = value.filter(pl.col("day") == pl.col("day").max()).max()
        taken = frame.group_by("row").agg(how[take].alias("value"))
        values = np.full(self._rows, 0.0 if take == "sum" else np.nan)
        values[taken["row"].to_numpy()] = taken["value"].to_numpy()
        label = f"{self.joined.name} {told.name} {take}"
        guess = replace(told, column=self.joined.name, name=names.take_column(label, 0), doubts=())
        return self._finish(guess, Taking(file=self.joined.name, take=take, column=told.column), values)

    def _finish(self, guess: Guess, taking: Taking, values: NDArray[np.float64]) -> tuple[Guess, NDArray[np.float64]]:
        if self.before is not None:
            taking = replace(taking, before=self.before[0], before_format=self.before[1].format)
        told = values[~np.isnan(values)]
        low, high = (float(told.min()), float(told.max())) if told.size else (0.0, 1.0)
        guess = replace(guess, taking=taking, low=low, high=high, told=len(told), distinct=len(np.unique(told)))
        return guess, values


def _find_before(
    guesses: dict[str, Guess], joined: Joined, on: Column, as_of: NDArray[np.float64] | None
) -> tuple[str, Days] | None:
    """The column that dates the rows: a day that is not the loan's own day again."""
    if as_of is None:
        return None
    own = dict(zip(on.texts.to_list(), as_of.tolist(), strict=True))
    keys = joined.tape.columns[joined.key].texts.to_list()
    own_days = np.array([own.get(key, np.nan) for key in keys], dtype=np.float64)
    for name, guess in guesses.items():
        if guess.use is Use.FACT and guess.days is not None:
            is_known = ~np.isnan(own_days) & ~np.isnan(guess.days.days)
            if not np.array_equal(own_days[is_known], guess.days.days[is_known]):
                return name, guess.days
    return None
