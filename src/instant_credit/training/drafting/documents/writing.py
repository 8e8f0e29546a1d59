"""TOML for people: values, lines with comments beside or above them. Edge."""

import math
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

WIDTH: Final = 120
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def quote(text: str) -> str:
    """`text` as a basic string of TOML."""
    return '"' + "".join(_ESCAPES.get(one) or (_escape(one) if _is_hidden(one) else one) for one in text) + '"'


def _is_hidden(one: str) -> bool:
    return unicodedata.category(one) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp")


def _escape(one: str) -> str:
    code = ord(one)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def tidy(text: str) -> str:
    """`text` with what the eye can't see spelled out, so that a comment ends where its line does and a terminal shows what is there."""
    return "".join(_escape(one) if _is_hidden(one) else one for one in text)


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
    return [
        f"# {line}" for line in textwrap.wrap(tidy(text), WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    ]


def line(key: str, value: str, note: str = "") -> list[str]:
    """One entry; its note stands behind it, or above it where the line would be too long."""
    entry = f"{key} = {value}"
    if not note:
        return [entry]
    beside = f"{entry}  # {tidy(note)}"
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
    for item, told in items:
        note = tidy(told)
        entry = f"  {quote(item)},"
        lines += (
            [f"{entry}  # {note}"]
            if len(entry) + len(note) + 4 <= WIDTH
            else [f"  {one}" for one in comment(note)] + [entry]
        )
    return [*lines, "]"]
