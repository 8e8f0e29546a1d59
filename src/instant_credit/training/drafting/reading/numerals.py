"""How a column writes its numbers: plainly, with signs of currency and thousands, with a decimal comma, with a unit behind. Edge."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from instant_credit.training.tapes.cells import WHOLE_MAX

_PLAIN: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_CURRENCIES: Final = ("$", "€", "£", "¥", "₹", "₽", "USD", "EUR", "GBP", "CHF", "Rs.", "Rs", "kr", "Kč", "zł")
_BLANKS: Final = (" ", "\u00a0", "\u202f", "'", "’", "_")
_POINT: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?|[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_COMMA: Final = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?|[+-]?\d+(,\d*)?", re.ASCII)
_SUFFIXED: Final = re.compile(r"([+-]?[\d.,]+)\s*([^\d.,\s+-][^\d]{0,19})", re.ASCII)
_LOOKED_AT: Final = 5_000
_SHARE_MIN: Final = 0.95
_DIGITS_MAX: Final = 40


class Numerals(Struct, frozen=True, kw_only=True):
    """`remove` are texts to cut out, `decimal` the decimal sign, `suffix` what stands behind; `rows` how many rows are numbers then."""

    remove: tuple[str, ...] = ()
    decimal: str = "."
    suffix: str = ""
    rows: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether the importer reads these numbers without being told anything."""
        return not self.remove and self.decimal == "." and not self.suffix

    def read(self, text: str) -> float:
        """The number, NaN when it is none or too large for the importer."""
        if self.suffix:
            text = text.removesuffix(self.suffix).strip()
        for one in self.remove:
            text = text.replace(one, "")
        if self.decimal != ".":
            text = text.replace(self.decimal, ".")
        text = text.strip()
        if len(text) > _DIGITS_MAX or not _PLAIN.fullmatch(text):
            return float("nan")
        number = float(text)
        return number if abs(number) <= WHOLE_MAX else float("nan")


def find_numerals(counts: Sequence[tuple[str, int]]) -> Numerals:
    """The way of writing that makes most rows numbers; the plain one when no other does clearly better.

    Parameters
    ----------
    counts : distinct texts with their rows.
    """
    plain = _count(Numerals(), counts)
    looked_at = counts[:_LOOKED_AT]
    rows = sum(count for _, count in looked_at)
    if not looked_at or _count(Numerals(), looked_at).rows >= _SHARE_MIN * rows:
        return plain
    best = plain
    for candidate in _list_candidates(looked_at):
        found = _count(candidate, looked_at)
        if found.rows >= 0.5 * rows and found.rows > best.rows:
            best = _count(candidate, counts)
    return best


def _count(numerals: Numerals, counts: Sequence[tuple[str, int]]) -> Numerals:
    rows = sum(count for text, count in counts if (number := numerals.read(text)) == number)
    return Numerals(remove=numerals.remove, decimal=numerals.decimal, suffix=numerals.suffix, rows=rows)


def _list_candidates(counts: Sequence[tuple[str, int]]) -> list[Numerals]:
    texts = [text for text, _ in counts]
    digits = [text for text in texts if any(one.isdigit() for one in text)]
    if not digits:
        return []
    suffix = _find_suffix(digits)
    bare = [text.removesuffix(suffix).strip() for text in digits]
    signs = tuple(one for one in (*_CURRENCIES, *_BLANKS) if any(one in text for text in bare))
    bare = [_cut(text, signs) for text in bare]
    suffix = suffix or _find_suffix(bare)
    bare = [text.removesuffix(suffix).strip() for text in bare]
    point = sum(_POINT.fullmatch(text) is not None for text in bare)
    comma = sum(_COMMA.fullmatch(text) is not None for text in bare)
    has_comma = any("," in text for text in bare)
    candidates = []
    if point >= comma:
        candidates.append(Numerals(remove=(*signs, *((",",) if has_comma else ())), suffix=suffix))
    elif has_comma:
        dots = (".",) if any("." in text for text in bare) else ()
        candidates.append(Numerals(remove=(*signs, *dots), decimal=",", suffix=suffix))
    return candidates


def _cut(text: str, signs: Sequence[str]) -> str:
    for sign in signs:
        text = text.replace(sign, "")
    return text.strip()


def _find_suffix(texts: Sequence[str]) -> str:
    """The one text that stands behind nearly all numbers."""
    found = Counter(match[2].strip() for text in texts if (match := _SUFFIXED.fullmatch(text)) is not None)
    if not found:
        return ""
    suffix, times = found.most_common(1)[0]
    return suffix if times >= _SHARE_MIN * len(texts) else ""
