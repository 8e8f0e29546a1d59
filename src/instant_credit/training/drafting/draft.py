"""A draft as a whole: what each column is put to, on which day the facts were known, what happened to the loans. Edge.

    files -> columns (profile, joins) -> outcome -> a guess for each column -> the day -> leaks -> law -> roles -> Draft

The steps stand in this order because each one may take a column away from the later ones. Nothing of a Draft is hidden from the person
who checks it: every doubt is a sentence, told with its column.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.training.drafting.guessing.columns import guess_column
from instant_credit.training.drafting.guessing.guess import Guess, Kind, Use, settle_law
from instant_credit.training.drafting.guessing.hidden_names import doubt_names
from instant_credit.training.drafting.guessing.roles import choose_roles
from instant_credit.training.drafting.loans.dating import Day, check_days, choose_day, find_event_day
from instant_credit.training.drafting.loans.history import History
from instant_credit.training.drafting.loans.joins import FILES_MAX, Joined, add_columns, join_file, name_file
from instant_credit.training.drafting.loans.outcome import Outcome, find_outcome, list_candidates, tell_lonely
from instant_credit.training.drafting.loans.standing import DOUBT_AUC, HELD_AUC, Standing, measure_number, measure_texts
from instant_credit.training.drafting.reading.numerals import DecimalSign, Numerals
from instant_credit.training.drafting.reading.profile import Column, Tape
from instant_credit.training.drafting.words import lexicon
from instant_credit.training.drafting.words.naming import Names
from instant_credit.training.tapes.parts import NumberForm

FACTS_MAX: Final = 1_900
LISTED_MAX: Final = 2_000
SAFER_MISSING: Final = (
    "rows that don't tell it went bad clearly less often than those that do (see the figures at its direction), so an applicant gains by leaving "
    'it out; where everybody can tell it, write missing = "refuse" below its legal line, and rows without it are rejected at import too; where '
    "missing says that there is nothing to tell (never late), leave it"
)
_NUMBERS: Final = frozenset({Kind.AMOUNT, Kind.WHOLE, Kind.REAL, Kind.FLAG})


class Wish(Struct, frozen=True, kw_only=True):
    """What a person said: the name of product and mapping, the outcome column and its bad texts, columns that are leaks, may not be
    used, or were known in time and may be; the currency; whether directions that the tape leaves no doubt about are taken; and today.
    """

    name: str
    outcome: str | None = None
    bad: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    currency: str | None = None
    is_directed: bool = False
    today: date


class Draft(Struct, frozen=True, kw_only=True, eq=False):
    """Everything that product and mapping will say.

    Attributes
    ----------
    guesses : one for each column, the tape's first, then those of joined files; facts taken from files of many rows last.
    standings : of each fact, by its name. rates : bad rate of each text of a category fact that is not too rare, by its name.
    roles : attribute by role, of those that are certain.
    event_day : the column (and format) that dates bad outcomes, when there is one.
    candidates : columns that may tell the outcome where none was found.
    doubts : sentences that belong to no single column.
    """

    wish: Wish
    tape: Tape
    joined: tuple[Joined, ...]
    outcome: Outcome | None
    guesses: tuple[Guess, ...]
    day: Day
    event_day: tuple[str, str] | None
    numbers: NumberForm
    roles: dict[str, str]
    undated: tuple[str, ...] = ()
    standings: dict[str, Standing]
    rates: dict[str, dict[str, float]]
    candidates: tuple[str, ...] = ()
    doubts: tuple[str, ...]

    def list_used(self, use: Use) -> tuple[Guess, ...]:
        """The columns put to one use."""
        return tuple(guess for guess in self.guesses if guess.use is use)


def make_draft(tapes: Sequence[Tape], wish: Wish) -> Draft:
    """The draft for one or more files, the first of which has a row for each loan.

    Raises
    ------
    Refused : a file finds no key, the outcome that a person named is not there, or nothing is left to decide by.
    """
    maker = _Maker(tapes[0], wish)
    maker.join(tapes[1:])
    maker.guess()
    maker.date()
    maker.place_histories()
    maker.find_leaks()
    maker.take_histories()
    maker.settle()
    return maker.finish()


class _Maker:
    """Holds the guesses while the steps go over them."""

    def __init__(self, tape: Tape, wish: Wish) -> None:
        self.tape, self.wish = tape, wish
        self.columns: dict[str, Column] = dict(tape.columns)
        self.outcome: Outcome | None = None
        self.joined: list[Joined] = []
        self.guesses: dict[str, Guess] = {}
        self.histories: list[History] = []
        self.taken: list[Guess] = []
        self.names = Names("column")
        self.doubts: list[str] = []
        self.standings: dict[str, Standing] = {}
        self.rates: dict[str, dict[str, float]] = {}
        self.day = Day()
        self.event_day: tuple[str, str] | None = None

    def join(self, tapes: Sequence[Tape]) -> None:
        """Find the keys; the columns of files of one row become columns of the tape."""
        if len(tapes) > FILES_MAX:
            raise Refused(f"{len(tapes)} files to join: a mapping joins at most {FILES_MAX}")
        waiting = list(tapes)
        while waiting:
            tape, waiting = self._choose_next(waiting)
            name = name_file(tape.path, self.tape.path, [one.name for one in self.joined], list(self.columns))
            joined = join_file(self.tape, self.columns, tape, name)
            self.joined.append(joined)
            if joined.rows == "one":
                self.columns |= {column.name: column for column in add_columns(joined, self.columns)}

    def _choose_next(self, waiting: list[Tape]) -> tuple[Tape, list[Tape]]:
        """The first file that finds a key by now, since a file may be joined by a column of another."""
        for place, tape in enumerate(waiting):
            try:
                join_file(self.tape, self.columns, tape, "file")
            except Refused:
                continue
            return tape, [*waiting[:place], *waiting[place + 1 :]]
        return waiting[0], waiting[1:]

    def tell_outcome(self) -> None:
        """The outcome among the tape's own columns, or else among those of files of one row."""
        told, bad = self.wish.outcome, self.wish.bad
        own = [column for name, column in self.columns.items() if name in self.tape.columns]
        others = [column for name, column in self.columns.items() if name not in self.tape.columns]
        is_many = any(one.rows == "many" for one in self.joined)
        if told is not None:
            # A column of a file of many rows is looked for once the days of its rows are known.
            self.outcome = None if is_many and told not in self.columns else find_outcome([*own, *others], told, bad)
            return
        try:
            self.outcome = find_outcome(own, None, bad)
        except Refused:
            if not others and not is_many:
                raise
        if self.outcome is None and others:
            self.outcome = find_outcome(others, None, () if is_many else bad)

    def place_histories(self) -> None:
        """Date the rows of files of many rows against the loans'; they may tell the outcome that the tape does not."""
        for joined in self.joined:
            if joined.rows == "many":
                self.histories.append(History(joined, self.columns[joined.on], self.day.days))
        for history in self.histories if self.outcome is None else ():
            self.outcome = history.tell_outcome(self.wish.outcome, self.wish.bad)
            if self.outcome is not None:
                column, why = self.outcome.column, "tells how the loan went"
                self.guesses[column] = Guess(
                    column=column,
                    name=column,
                    use=Use.OUTCOME,
                    why=why,
                    doubts=self.outcome.doubts,
                    told=len(self.outcome.labels),
                )
                break
        if self.outcome is None and self.wish.outcome is not None:
            raise Refused(f"--outcome {self.wish.outcome}: no file has a column of this name that tells dated outcomes")

    def guess(self) -> None:
        """A guess for each column; keys, persons and weights are one each."""
        self.tell_outcome()
        for name, column in self.columns.items():
            guess = guess_column(column, self.names, is_kept=name in self.wish.kept)
            if self.outcome is not None and name == self.outcome.column:
                guess = replace(
                    guess, use=Use.OUTCOME, kind=Kind.NONE, why="tells how the loan went", doubts=self.outcome.doubts
                )
            elif name not in self.tape.columns and guess.use in (Use.KEY, Use.PERSON, Use.WEIGHT):
                guess = guess.put(Use.WITHHELD, "an identifier of a joined file")
            self.guesses[name] = guess
            column.forget()
        for joined in self.joined:
            if self.guesses[joined.on].use is Use.FACT:
                self.guesses[joined.on] = self.guesses[joined.on].put(Use.WITHHELD, f"joins file {joined.name}")
        self.doubts += doubt_names(self.guesses, self.columns)
        if self.outcome is None:
            for name, told in tell_lonely(list(self.columns.values())):
                self.guesses[name] = self.guesses[name].doubt(told)
        self._follow_wish()
        for use in (Use.KEY, Use.PERSON, Use.WEIGHT):
            several = [guess for guess in self.guesses.values() if guess.use is use]
            for guess in several[1:]:
                self.guesses[guess.column] = guess.put(Use.WITHHELD, f"a second {use}")

    def _follow_wish(self) -> None:
        for option, names, use in (
            ("--leak", self.wish.leaks, Use.LEAK),
            ("--withhold", self.wish.withheld, Use.WITHHELD),
            ("--keep", self.wish.kept, None),
        ):
            for name in names:
                if name not in self.guesses:
                    raise Refused(f"{option} {name}: there is no such column")
                if use is not None:
                    self.guesses[name] = self.guesses[name].put(use, "as a person said")

    def date(self) -> None:
        """The day of the facts, and what of the other days lies after it."""
        days = {name: self.columns[name].words for name in self.tape.columns}
        self.day = choose_day(list(self.guesses.values()), days, self.wish.today)
        if self.day.column is not None:
            chosen = self.guesses[self.day.column]
            self.guesses[self.day.column] = replace(chosen, use=Use.AS_OF, why="the day on which the facts were known")
        self.guesses |= {guess.column: guess for guess in check_days(self.guesses.values(), self.columns, self.day)}

    def find_leaks(self) -> None:
        """Measure every column against the outcome; what tells too much is a leak."""
        outcome = self.outcome
        if outcome is None or not outcome.is_told:
            return
        for name, guess in self.guesses.items():
            if guess.use in (Use.FACT, Use.LEAK, Use.AGE) and name in self.columns:
                self._measure(guess, self.columns[name], outcome.labels)
        for name, guess in self.guesses.items():
            standing = self.standings.get(guess.name)
            if guess.use in (Use.FACT, Use.AGE) and standing is not None:
                is_trusted = name in self.wish.kept or lexicon.SCORES.names(self.columns[name].words)
                self.guesses[name] = _judge_standing(guess, standing, is_trusted=is_trusted)
        leaks = {name: self.columns[name] for name, guess in self.guesses.items() if guess.use is Use.LEAK}
        if outcome.file is None:
            self.event_day = find_event_day(leaks, outcome.labels, self.day)

    def _measure(self, guess: Guess, column: Column, labels: NDArray[np.int8]) -> None:
        if guess.kind in _NUMBERS:
            values = column.numbers.copy()
            for text, _, _ in guess.missing.texts:
                values[values == column.numerals.read(text)] = np.nan
            self.standings[guess.name] = measure_number(values, labels)
        elif guess.kind is Kind.DAY and guess.days is not None:
            as_of = np.zeros(len(labels)) if self.day.days is None else self.day.days
            self.standings[guess.name] = measure_number(as_of - guess.days.days, labels)
        else:
            codes = [text for text, _, _ in guess.missing.texts]
            texts = column.texts.set(column.texts.is_in(codes), None) if codes else column.texts
            self.standings[guess.name], self.rates[guess.name] = measure_texts(texts, labels)
        column.forget()

    def take_histories(self) -> None:
        """Facts out of the files of many rows."""
        for history in self.histories:
            for guess, values in history.make_facts(self.names):
                kept = guess if guess.distinct > 1 else guess.put(Use.LEFT_OUT, "the same in every row")
                if self.outcome is not None and self.outcome.is_told and kept.use is Use.FACT:
                    standing = measure_number(values, self.outcome.labels)
                    self.standings[guess.name] = standing
                    if standing.leak is not None and history.before is None:
                        kept = kept.put(Use.LEFT_OUT, standing.leak, f"left out: {standing.leak}")
                    elif standing.auc >= HELD_AUC and history.before is None:
                        kept = _hold(kept, standing)
                self.taken.append(kept)

    def settle(self) -> None:
        """The law has the last word; too many facts lose those that tell least."""
        self.guesses = {name: settle_law(guess) for name, guess in self.guesses.items()}
        self.taken = [settle_law(guess) for guess in self.taken]
        facts = [guess for guess in self.guesses.values() if guess.use is Use.FACT]
        if len(facts) > FACTS_MAX:
            facts.sort(key=lambda guess: -self.standings.get(guess.name, Standing()).auc)
            for guess in facts[FACTS_MAX:]:
                self.guesses[guess.column] = guess.put(
                    Use.LEFT_OUT, "beyond the number of facts that a product can hold"
                )
            self.doubts.append(
                f"{len(facts):,} columns could be facts; the {FACTS_MAX:,} that tell most of the outcome are kept"
            )

    def finish(self) -> Draft:
        """The draft, when there is anything left to decide by."""
        numbers = self._choose_number_form()
        outcome = self.outcome
        if outcome is not None and outcome.file is not None and outcome.day is not None:
            takings = [guess.taking for guess in self.taken if guess.use is Use.FACT]
            if not any(taking is not None and taking.file == outcome.file for taking in takings):
                # No fact takes rows from before the day, so nothing but the outcome is read from the column.
                column = f"{outcome.file}.{outcome.day[0]}"
                self.guesses[column] = Guess(column=column, name=column, use=Use.LEAK, why="dates the outcome")
        guesses = (*self.guesses.values(), *self.taken)
        if not any(guess.use in (Use.FACT, Use.AGE) for guess in guesses):
            told = "; ".join(f"{guess.column or 'unnamed'}: {guess.why}" for guess in guesses[:20])
            raise Refused(f"{self.tape.path.name}: no column is left that a decision could rest on ({told})")
        return Draft(
            wish=self.wish,
            tape=self.tape,
            joined=tuple(self.joined),
            outcome=self.outcome,
            guesses=guesses,
            day=self.day,
            event_day=self.event_day,
            numbers=numbers,
            roles=choose_roles(self.guesses, self.columns),
            undated=tuple(history.joined.name for history in self.histories if history.before is None),
            standings=self.standings,
            rates=self.rates,
            candidates=list_candidates(list(self.columns.values())) if self.outcome is None else (),
            doubts=tuple(self.doubts),
        )

    def _choose_number_form(self) -> NumberForm:
        """The way of writing numbers that the fewest columns of the tape contradict; those that do are withheld."""
        used = {
            name: self.columns[name].numerals
            for name, guess in self.guesses.items()
            if guess.use in (Use.FACT, Use.MONITORING, Use.WEIGHT)
            and (guess.kind in _NUMBERS or guess.edges or guess.use is Use.WEIGHT)
        }
        forms = [_share_form(list(used.values()), sign) for sign in (".", ",")]
        denied = [[name for name in used if self._contradicts(name, form)] for form in forms]
        form, contradicting = min(zip(forms, denied, strict=True), key=lambda one: len(one[1]))
        for name in contradicting:
            why = "its numbers are written in another way than those of other columns"
            self.guesses[name] = self.guesses[name].put(
                Use.WITHHELD, why, f"withheld: {why}; write them alike in the file"
            )
        for name in used:
            self.columns[name].forget()
        return form

    def _contradicts(self, name: str, form: NumberForm) -> bool:
        """Whether some number of the column is another one under the form."""
        own = self.columns[name].numerals
        shared = Numerals(remove=form.remove, decimal=form.decimal, suffix=own.suffix)
        texts = self.columns[name].counts[:2_000]
        return any(not np.isnan(own.read(text)) and own.read(text) != shared.read(text) for text, _ in texts)


def _share_form(used: Sequence[Numerals], decimal: DecimalSign) -> NumberForm:
    """The form with this decimal sign that reads what all columns have around their numbers."""
    remove = dict.fromkeys(sign for one in used for sign in one.remove if sign != decimal)
    is_told = decimal == "." or any(one.decimal == "," for one in used)
    return NumberForm(remove=tuple(remove)[:10], decimal=decimal if is_told else ".")


def _judge_standing(guess: Guess, standing: Standing, *, is_trusted: bool) -> Guess:
    """The guess once it is known how much the column tells of the outcome: a leak, held back from the model, or a doubt at most."""
    if standing.leak is not None and not is_trusted:
        told = f"taken for a leak: {standing.leak}; if it was known before the decision, draft again with --keep"
        return guess.put(Use.LEAK, standing.leak, told)
    if standing.auc >= HELD_AUC and not is_trusted and guess.use is Use.FACT:
        return _hold(guess, standing)
    if standing.auc >= DOUBT_AUC:
        told = f"alone it orders bad before good with an AUC of {standing.auc:.2f}: make sure that it was known before the decision"
        guess = guess.doubt(told)
    if standing.is_missing_safer and guess.use is Use.FACT:
        guess = guess.doubt(SAFER_MISSING)
    return guess


def _hold(guess: Guess, standing: Standing) -> Guess:
    """Kept as a fact that the model does not see: few honest columns tell so much, and a leak in a model can't be seen in its test."""
    told = (
        f"alone it orders bad before good with an AUC of {standing.auc:.2f}, so the model does not see it yet; if it was known before the "
        f'decision, write in_model = true below name = "{guess.name}" among the [[variables]]; if not, draft again with --leak'
    )
    return replace(guess.doubt(told), is_held=True)
