"""What a person must check of a draft, numbered, as it stands in the documents and on the terminal. Edge."""

from collections.abc import Iterable, Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.training.drafting.documents.writing import comment, tidy
from instant_credit.training.drafting.draft import Draft
from instant_credit.training.tapes.resolved import Resolved


class Doubt(Struct, frozen=True, kw_only=True):
    """What a person must check: its number, the columns or files it belongs to (none = the tape), and a sentence."""

    number: int
    places: tuple[str, ...]
    text: str


def list_doubts(draft: Draft) -> tuple[Doubt, ...]:
    """Every doubt of a draft, numbered from 1: the tape's, the outcome's, the day's, the files', then the columns' in their order.

    A sentence that holds for several columns stands once.
    """
    places: dict[str, list[str]] = {}
    for place, text in _tell(draft):
        places.setdefault(text, [])
        if place:
            places[text].append(place)
    return tuple(
        Doubt(number=number, places=tuple(dict.fromkeys(where)), text=tidy(text))
        for number, (text, where) in enumerate(places.items(), 1)
    )


def _tell(draft: Draft) -> Iterator[tuple[str, str]]:
    yield from (("", text) for text in draft.doubts)
    if not draft.tape.is_whole:
        yield "", f"only the first {draft.tape.rows:,} rows were read: later rows may hold other values"
    if draft.tape.broken:
        yield "", f"{draft.tape.broken:,} rows can't be read as csv and will be rejected"
    if draft.outcome is None:
        maybe = f"; of few values are {', '.join(draft.candidates)}" if draft.candidates else ""
        yield (
            "",
            f"no column was recognised as the outcome: name it with --outcome (and --bad), or write the events{maybe}",
        )
    elif draft.outcome.others:
        yield draft.outcome.column, f"taken for the outcome; {', '.join(draft.outcome.others)} could be meant as well"
    if draft.outcome is not None and draft.outcome.is_told:
        yield from ((draft.outcome.column, text) for text in _tell_counts(draft.outcome.labels))
    if draft.wish.currency is None:
        yield "", "the currency is not known: USD was written"
    yield from ((draft.day.column or "", text) for text in draft.day.doubts)
    yield from ((name_place(one.name), text) for one in draft.joined for text in one.doubts)
    for name in draft.undated:
        yield (
            name_place(name),
            "no day dates its rows against the loan's, so all of them are taken as known in time: make sure that they were",
        )
    if draft.roles:
        named = ", ".join(f"{name} is the {role}" for role, name in draft.roles.items())
        yield "", f"{named.replace('income_annual', 'income of a year')}: the policy prices with them (roles)"
    yield from ((guess.column or "a column without a name", text) for guess in draft.guesses for text in guess.doubts)


def _tell_counts(labels: NDArray[np.int8]) -> Iterator[str]:
    """Whether there is anything to learn from the resolved rows."""
    goods, bads = int((labels == 0).sum()), int((labels == 1).sum())
    fault = Resolved(goods=goods, bads=bads).fault
    if fault is not None:
        yield f"{goods:,} rows are good and {bads:,} bad: {fault}"


def name_place(file: str) -> str:
    """How a joined file stands among the places of a doubt."""
    return f"[files.{file}]"


def about(doubts: Iterable[Doubt], place: str | None) -> tuple[Doubt, ...]:
    """The doubts of one column or file; of the tape where it is empty."""
    return tuple(one for one in doubts if (place in one.places if place else not one.places))


def check(doubts: Iterable[Doubt]) -> list[str]:
    """Doubts as lines of comment."""
    return [one for doubt in doubts for one in comment(f"CHECK {doubt.number}: {doubt.text}.")]
