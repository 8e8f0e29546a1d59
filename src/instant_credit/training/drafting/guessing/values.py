"""Columns of texts: categories, and texts that point at a person. Edge.

The categories of a draft stand in documents that people pass around, so what looks like a person's name, an address to write or call to,
or a sentence is recognised by its form and never shown.
"""

import re
from collections.abc import Sequence
from typing import Final

from instant_credit.training.drafting.guessing.guess import CATEGORIES_MAX, Value
from instant_credit.training.drafting.reading.profile import is_writable
from instant_credit.training.drafting.words.cell_texts import FIRST_NAMES, MARITAL_TEXTS, SEX_TEXTS
from instant_credit.training.drafting.words.lexicon import fold_text, list_words
from instant_credit.training.drafting.words.naming import name_values

RARE_ROWS: Final = 10
_VALUE_CHARACTERS_MAX: Final = 100
_LOOKED_AT: Final = 2_000
_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE: Final = re.compile(r"\+?\d?[ -]?\(?\d{2,4}\)?[ -]\d{3,4}[ -]\d{2,5}|\+\d{7,15}", re.ASCII)
_NUMBER_OF_PERSON: Final = re.compile(r"\d{3}-\d{2}-\d{4}|[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
_NAME: Final = re.compile(r"[^\W\d_][\w'’.-]*,?( [^\W\d_][\w'’.-]*){1,3}")
_LETTER_SEXES: Final = (frozenset("mf"), frozenset("mw"), frozenset("hm"))
_UNTOLD_LETTERS: Final = frozenset({"u", "x", "o", "n", "unknown", "other", "xna", "?", ""})
_SENTENCE_WORDS: Final = 6


def find_identity(counts: Sequence[tuple[str, int]], rows: int) -> str | None:
    """Why the texts seem to point at persons; None when they don't.

    Parameters
    ----------
    counts : distinct texts that are not missing, with their rows. rows : rows of the column.
    """
    texts = [text for text, _ in counts[:_LOOKED_AT]]
    if not texts:
        return None
    for form, why in (
        (_MAIL, "its values look like mail addresses"),
        (_PHONE, "its values look like telephone numbers"),
        (_NUMBER_OF_PERSON, "its values look like numbers of persons or accounts"),
    ):
        if sum(form.fullmatch(text) is not None for text in texts) >= 0.5 * len(texts):
            return why
    alike = [text for text in texts if _NAME.fullmatch(text)]
    named = sum(
        any(word in FIRST_NAMES for word in fold_text(text).casefold().replace(",", " ").split()) for text in alike
    )
    if len(texts) >= 3 and len(alike) >= 0.6 * len(texts) and named >= 0.2 * len(texts):
        return "its values look like names of persons"
    is_spread = len(counts) > 20 and len(counts) > 0.5 * sum(count for _, count in counts)
    if is_spread and len(alike) >= 0.8 * len(texts) and all(len(text.split()) <= 4 for text in alike):
        return "nearly every row has words of its own, which may be names of persons or of employers"
    return None


def are_sentences(counts: Sequence[tuple[str, int]]) -> bool:
    """Whether the texts are written by somebody rather than chosen from a list."""
    texts = [text for text, _ in counts[:_LOOKED_AT]]
    rows = sum(count for _, count in counts)
    length = sum(map(len, texts)) / len(texts)
    words = sum(len(text.split()) for text in texts) / len(texts)
    is_spread = len(counts) > 20 and len(counts) > 0.5 * rows
    return (
        is_spread or (len(counts) > 50 and (length > 40 or words >= _SENTENCE_WORDS)) or length > _VALUE_CHARACTERS_MAX
    )


def tell_basis(texts: Sequence[str]) -> str | None:
    """Which prohibited basis the values themselves tell of; None when none is seen."""
    folded = {text.casefold().strip() for text in texts}
    letters = folded - _UNTOLD_LETTERS
    if letters in _LETTER_SEXES or (
        len(letters) >= 2 and all(len(one) > 1 for one in letters) and letters <= SEX_TEXTS
    ):
        return "sex"
    marital = [one for one in letters if not MARITAL_TEXTS.isdisjoint(list_words(one))]
    sexes = [one for one in letters if not (SEX_TEXTS - frozenset("mfwh")).isdisjoint(list_words(one))]
    if len(letters) >= 2 and len(marital) >= 2 and len(marital) >= 0.5 * len(letters):
        return "marital status"
    if len(letters) >= 2 and len(sexes) >= 2 and len(sexes) >= 0.6 * len(letters):
        return "sex"
    return None


def make_values(counts: Sequence[tuple[str, int]]) -> tuple[tuple[Value, ...], int]:
    """The values that become categories of their own, and the rows of all others.

    Parameters
    ----------
    counts : distinct texts that are not missing, the commonest first, with their rows.
    """
    kept = [(text, rows) for text, rows in counts if is_writable(text) and len(text) <= _VALUE_CHARACTERS_MAX]
    if len(kept) > CATEGORIES_MAX or len(kept) < len(counts):
        kept = [
            (text, rows)
            for text, rows in kept[: CATEGORIES_MAX - 1]
            if rows >= RARE_ROWS or len(counts) <= CATEGORIES_MAX
        ]
    names = name_values([text for text, _ in kept])
    values = tuple(Value(text=text, category=names[text], rows=rows) for text, rows in kept)
    return values, sum(rows for _, rows in counts) - sum(rows for _, rows in kept)
