"""What names and codes hide: a prohibited basis under a name that tells nothing is not recognised, so a person is asked. Edge."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from instant_credit.training.drafting.documents.writing import say
from instant_credit.training.drafting.guessing.guess import Guess, Use
from instant_credit.training.drafting.reading.profile import Column

_NAMED_MAX: Final = 12
_CODE: Final = re.compile(r"[A-Za-z]{1,2}\d{1,4}")


def doubt_names(guesses: Mapping[str, Guess], columns: Mapping[str, Column]) -> list[str]:
    """Sentences about facts whose names, or whose codes, tell nothing."""
    facts = [guess for guess in guesses.values() if guess.use is Use.FACT]
    dark = [
        guess.column for guess in facts if all(len(word) <= 2 or word.isdigit() for word in columns[guess.column].words)
    ]
    doubts = []
    if len(dark) > 2:
        doubts.append(
            f"the names {_shorten(dark)} tell nothing: make sure that none of them is a prohibited basis (12 CFR 1002.2(z))"
        )
    coded = [
        guess.column for guess in facts if guess.values and all(_CODE.fullmatch(value.text) for value in guess.values)
    ]
    if coded:
        doubts.append(
            f"codes hide what {_shorten(coded)} mean: make sure that none tells a prohibited basis (in the German credit data A91 to A95 "
            "tell sex and marital status, A201 and A202 tell foreign workers)"
        )
    return doubts


def _shorten(names: Sequence[str]) -> str:
    told = ", ".join(say(name, but=30)[1:-1] for name in names[:_NAMED_MAX])
    return told if len(names) <= _NAMED_MAX else f"{told} and {len(names) - _NAMED_MAX} more"
