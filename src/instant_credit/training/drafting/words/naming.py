"""Names that a product can hold, made from whatever a tape calls its columns and values. Edge."""

import re
import unicodedata
from typing import Final

from instant_credit.training.drafting.words.lexicon import split_capitals

SLUG_MAX: Final = 48
_RESERVED: Final = frozenset({"as_of"})
_SIGNS: Final = (
    ("<=", " le "),
    (">=", " ge "),
    ("<", " lt "),
    (">", " gt "),
    ("+", " plus "),
    ("%", " pct "),
    ("&", " and "),
    ("=", " eq "),
)
_NEGATIVE: Final = re.compile(r"^-(?=\d|\.\d)")
_WORD: Final = re.compile(r"[a-z0-9]+")


def slug_text(text: str) -> str:
    """ASCII words of `text` joined by `_`; empty when no Latin letter or digit is in it."""
    latin = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    if any(one.isalpha() and not one.isascii() for one in latin):
        return ""
    return "_".join(_WORD.findall(latin.lower()))


class Names:
    """Hands out names of a form, each once."""

    def __init__(self, fallback: str) -> None:
        self._fallback = fallback
        self._taken: set[str] = set(_RESERVED)

    def take(self, wanted: str) -> str:
        """`wanted`, or it with a number behind when it is taken."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name

    def take_column(self, name: str, place: int) -> str:
        """A name for the column `name`, the `place`-th of its file from 0."""
        slug = slug_text(split_capitals(name))[:SLUG_MAX].strip("_")
        if not slug:
            slug = f"{self._fallback}_{place + 1}"
        return self.take(slug if slug[0].isalpha() else f"{self._fallback}_{slug}")


def name_values(texts: list[str]) -> dict[str, str]:
    """A category's name for each text: texts that differ in case, blanks and punctuation alone share one, all others differ."""
    names = Names("code")
    by_core: dict[str, str] = {}
    found: dict[str, str] = {}
    for place, text in enumerate(texts):
        core = "".join(text.casefold().replace("_", " ").replace("-", " ").split()) if text.strip("-_ ") else text
        core = f"-{core}" if _NEGATIVE.match(text) else core
        if core not in by_core:
            by_core[core] = names.take(_name_value(text, place))
        found[text] = by_core[core]
    return found


def _name_value(text: str, place: int) -> str:
    if text == "-":
        return "minus"
    told = _NEGATIVE.sub("minus ", text)
    for sign, word in _SIGNS:
        told = told.replace(sign, word)
    slug = slug_text(told)[:SLUG_MAX].strip("_")
    if not slug:
        return f"code_{place + 1}"
    return slug if slug[0].isalpha() else f"code_{slug}"


def plain_label(name: str) -> str:
    """How a product's name is said to a person."""
    return name.replace("_", " ")


def make_code(name: str) -> str:
    """The reason code of the variable `name`."""
    return f"{name.upper()}_UNFAVOURABLE"
