"""TOML for people: values, lines with comments beside or above them, doubts with their numbers. Edge."""

import math
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from instant_credit.training.drafting.draft import Draft

WIDTH: Final = 120
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


class Doubt(Struct, frozen=True, kw_only=True):
    """What a person must check: its number, the column it belongs to ("" = the tape), and a sentence."""

    number: int
    column: str
    text: str


def list_doubts(draft: Draft) -> tuple[Doubt, ...]:
    """Every doubt of a draft, numbered from 1: the tape's, the outcome's, the day's, the files', then the columns' in their order."""
    told: list[tuple[str, str]] = [("", text) for text in draft.doubts]
    if not draft.tape.is_whole:
        told.append(("", f"only the first {draft.tape.rows:,} rows were read: later rows may hold other values"))
    if draft.tape.broken:
        told.append(("", f"{draft.tape.broken:,} rows can't be read as csv and will be rejected"))
    if draft.outcome is None:
        told.append(
            ("", "no column was recognised as the outcome: name it with --outcome (and --bad), or write the events")
        )
    elif draft.outcome.others:
        told.append(
            (draft.outcome.column, f"taken for the outcome; {', '.join(draft.outcome.others)} could be meant as well")
        )
    if draft.wish.currency is None:
        told.append(("", "the currency is not known: USD was written"))
    told += [(draft.day.column or "", text) for text in draft.day.doubts]
    told += [(f"file {one.name}", text) for one in draft.joined for text in one.doubts]
    told += [
        (
            f"file {name}",
            "no day dates its rows against the loan's, so all of them are taken as known in time: make sure that they were",
        )
        for name in draft.undated
    ]
    if draft.roles:
        named = ", ".join(f"{name} is the {role}" for role, name in draft.roles.items())
        told.append(("", f"{named.replace('income_annual', 'income of a year')}: the policy prices with them (roles)"))
    told += [(guess.column or "without a name", text) for guess in draft.guesses for text in guess.doubts]
    return tuple(Doubt(number=i + 1, column=column, text=text) for i, (column, text) in enumerate(told))


def quote(text: str) -> str:
    """`text` as a basic string of TOML."""
    return '"' + "".join(_ESCAPES.get(one) or (_escape(one) if _is_hidden(one) else one) for one in text) + '"'


def _is_hidden(one: str) -> bool:
    return unicodedata.category(one) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp")


def _escape(one: str) -> str:
    code = ord(one)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def say(text: str, *, but: int = 80) -> str:
    """A name from the tape as it may stand in a comment or a table: quoted and cut, without anything that moves the cursor."""
    return quote(text if len(text) <= but else text[: but - 3] + "...")


def write_number(number: float) -> str:
    """A number of TOML: whole ones without a fraction."""
    return str(int(number)) if math.isfinite(number) and number == int(number) else repr(float(number))


def show_number(number: float) -> str:
    """A number for people."""
    return (
        f"{number:,.0f}" if float(number).is_integer() else f"{number:,.4g}" if abs(number) < 1e4 else f"{number:,.1f}"
    )


def comment(text: str) -> list[str]:
    """`text` as lines of comment."""
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)]


def line(key: str, value: str, note: str = "") -> list[str]:
    """One entry; its note stands behind it, or above it where the line would be too long."""
    entry = f"{key} = {value}"
    if not note:
        return [entry]
    beside = f"{entry}  # {note}"
    return [beside] if len(beside) <= WIDTH else [*comment(note), entry]


def array(key: str, items: Iterable[str], note: str = "") -> list[str]:
    """An array of strings, several to a line where they don't fit on one."""
    quoted = [quote(item) for item in items]
    entry = f"{key} = [{', '.join(quoted)}]"
    if len(entry) <= WIDTH:
        return line(key, entry.partition(" = ")[2], note)
    rows, row = [], ""
    for one in quoted:
        if row and len(row) + len(one) + 4 > WIDTH:
            rows.append(row)
            row = ""
        row = f"{row} {one}," if row else f"  {one},"
    return [*(comment(note) if note else []), f"{key} = [", *rows, row, "]"]


def noted_array(key: str, items: Sequence[tuple[str, str]]) -> list[str]:
    """An array of strings with a note behind each, one to a line."""
    lines = [f"{key} = ["]
    for item, note in items:
        entry = f"  {quote(item)},"
        lines += (
            [f"{entry}  # {note}"]
            if len(entry) + len(note) + 4 <= WIDTH
            else [f"  {one}" for one in comment(note)] + [entry]
        )
    return [*lines, "]"]


def check(doubts: Iterable[Doubt]) -> list[str]:
    """Doubts as lines of comment."""
    return [one for doubt in doubts for one in comment(f"CHECK {doubt.number}: {doubt.text}.")]
