"""What a draft takes a column for. Edge.

A `Guess` is a proposal: the use a column is put to, the type of the fact it tells, what means missing in it, and the doubts that a
person must settle. The later steps of a draft (outcome, leaks, day, keys) change the use of some; `settle_law` has the last word, since
a product with a name that the law closes would not load.
"""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from instant_credit.application.names import AGES, ASSISTANCE_INCOMES, PLACES, PROHIBITED_BASES, find_denied_names
from instant_credit.application.product import Legal
from instant_credit.training.drafting.reading.days import Days
from instant_credit.training.drafting.reading.missing import Missing
from instant_credit.training.drafting.words.lexicon import list_words

AGE_EDGES: Final = (25.0, 40.0, 62.0)
AGE_BANDS: Final = ("below_25", "from_25_to_39", "from_40_to_61", "from_62")
CATEGORIES_MAX: Final = 250


class Use(StrEnum):
    """What a column is put to."""

    FACT = "fact"
    AGE = "date of birth"
    MONITORING = "monitoring"
    WITHHELD = "withheld"
    LEAK = "leak"
    OUTCOME = "outcome"
    AS_OF = "as_of"
    KEY = "key"
    PERSON = "person"
    WEIGHT = "weight"
    LEFT_OUT = "left out"


class Kind(StrEnum):
    """How a fact is told."""

    AMOUNT = "amount"
    WHOLE = "whole number"
    REAL = "number"
    FLAG = "flag"
    CATEGORY = "category"
    DAY = "day"
    NONE = "-"


class Value(Struct, frozen=True, kw_only=True):
    """One text of a category column: the category it becomes, its rows, and a word about it."""

    text: str
    category: str
    rows: int
    note: str = ""


class Taking(Struct, frozen=True, kw_only=True):
    """A fact made of many rows of a joined file; `where` is a column of it and the text that it must have."""

    file: str
    take: str
    column: str | None = None
    where: tuple[str, str] | None = None
    before: str | None = None
    before_format: str = ""


class Guess(Struct, frozen=True, kw_only=True):
    """One column, or one fact taken from a joined file.

    Attributes
    ----------
    column : as the mapping names it. `name` : as the product names the fact.
    why : of a use other than a fact, or of the type.
    low, high : range of the told numbers, of days in years before as_of.
    unit : of the variable. `values` : of a category; rows beyond them are `rest`, told as "other".
    is_identity : its cells are never shown.
    is_unique : each row has a text of its own.
    is_held : a fact that the model does not see until a person says that it was known in time.
    """

    column: str
    name: str
    use: Use
    kind: Kind = Kind.NONE
    why: str = ""
    doubts: tuple[str, ...] = ()
    missing: Missing = Missing()
    low: float = 0.0
    high: float = 0.0
    unit: str = "number"
    suffix: str = ""
    values: tuple[Value, ...] = ()
    rest: int = 0
    edges: tuple[float, ...] = ()
    days: Days | None = None
    taking: Taking | None = None
    is_identity: bool = False
    is_unique: bool = False
    is_held: bool = False
    told: int = 0
    distinct: int = 0

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories, each once, in the order of the values."""
        if self.edges:
            return AGE_BANDS
        named = list(dict.fromkeys(value.category for value in self.values))
        return tuple(named if not self.rest or "other" in named else [*named, "other"])

    def put(self, use: Use, why: str, *doubts: str) -> "Guess":
        """The same column put to another use; doubts about what it was taken for before are settled by that."""
        return msgspec.structs.replace(self, use=use, why=why, doubts=doubts)

    def doubt(self, *doubts: str) -> "Guess":
        """The same guess with more doubts."""
        return msgspec.structs.replace(self, doubts=(*self.doubts, *doubts))


def settle_law(guess: Guess) -> Guess:
    """The guess as a product may hold it: what its name gives away decides, then what its categories do."""
    if guess.use is Use.AGE:
        return guess if not list(find_denied_names(guess.name, Legal.AGE)) else guess.put(Use.WITHHELD, "its name")
    # A number behind a word hides it from the product's own check, so the words are looked at without it as well.
    for name in (guess.name, "_".join(list_words(guess.name))):
        if guess.use is Use.FACT and list(find_denied_names(name, Legal.FREE)):
            guess = _settle_name(guess, name)
    if guess.use is Use.FACT and guess.kind is Kind.CATEGORY:
        return _settle_categories(guess)
    return guess


def _settle_name(guess: Guess, name: str) -> Guess:
    if PLACES.names(name):
        return guess.put(Use.WITHHELD, "a place finer than a state can stand for a prohibited basis")
    if PROHIBITED_BASES.names(name):
        return as_monitoring(
            guess, "its name tells of a prohibited basis (12 CFR 1002.2(z)); measured for fairness only"
        )
    if AGES.names(name):
        return as_monitoring(guess, "its name tells of age")
    told = "its name tells of income that counts in full whatever its kind (12 CFR 1002.6(b)(5))"
    assert ASSISTANCE_INCOMES.names(name)
    return guess.put(
        Use.WITHHELD,
        told,
        'withheld for its name; if it is assistance income, add it as legal = "assistance_income" and total it with the other income; if '
        "it is something else, such as an instalment, add it under a name that says so",
    )


def as_monitoring(guess: Guess, why: str) -> Guess:
    """Carried apart as a category where it can be one, else withheld."""
    if guess.kind is Kind.CATEGORY and guess.categories and len(guess.categories) <= CATEGORIES_MAX:
        return guess.put(Use.MONITORING, why)
    if guess.edges:
        return msgspec.structs.replace(guess.put(Use.MONITORING, why), kind=Kind.CATEGORY)
    return guess.put(Use.WITHHELD, why)


def _settle_categories(guess: Guess) -> Guess:
    denied = {one for one in guess.categories if one != "other" and list(find_denied_names(one, Legal.FREE))}
    if not denied:
        return guess
    rows = sum(value.rows for value in guess.values)
    hidden = sum(value.rows for value in guess.values if value.category in denied)
    if 2 * hidden > rows and len(denied) > 1:
        return guess.put(
            Use.MONITORING, "its values tell of a prohibited basis (12 CFR 1002.2(z)); measured for fairness only"
        )
    values = tuple(
        msgspec.structs.replace(
            value,
            category="other",
            note="told as other: the word may tell of a prohibited basis, of health, age or a place",
        )
        if value.category in denied
        else value
        for value in guess.values
    )
    return msgspec.structs.replace(guess, values=values).doubt(
        f"{len(denied)} of its values ({hidden:,} rows) are told as other, because their words may tell of a prohibited basis, health, age, "
        "assistance income or a place (12 CFR 1002.2(z), 1022.30)"
    )
