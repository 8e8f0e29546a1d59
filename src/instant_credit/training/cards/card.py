"""A card: sections of sentences and tables, every number of which was computed from a document that a hash names.

A card is data until it is rendered (`pages.py`), so that two makings of it can be compared cell by cell.
"""

from msgspec import Struct

_DECIMALS = 4
_WHOLE = frozenset({"loans", "cases", "bytes", "trees", "variables", "groups", "categories", "days", "ppm"})


class Section(Struct, frozen=True, kw_only=True):
    """A heading with sentences, and a table where `head` names its columns."""

    title: str
    sentences: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


class Card(Struct, frozen=True, kw_only=True):
    """A generated document. `sources` are hashes of what its numbers were computed from, by what they are."""

    title: str
    sources: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def say(value: float, unit: str = "") -> str:
    """A number as cards tell it: counts whole and with separators, anything else to four decimals; with its unit where it has one."""
    is_count = unit in _WHOLE or isinstance(value, int)
    told = f"{round(value):,}" if is_count else f"{value:,.{_DECIMALS}f}"
    return f"{told} {unit}".rstrip()


def say_interval(low: float | None, high: float | None) -> str:
    """The ends of an interval, or nothing."""
    return "" if low is None or high is None else f"{low:,.{_DECIMALS}f} to {high:,.{_DECIMALS}f}"


def list_pairs(title: str, pairs: tuple[tuple[str, str], ...], *sentences: str) -> Section:
    """A section whose table tells one thing a row."""
    return Section(title=title, sentences=sentences, head=("what", "is"), rows=pairs)
