"""Amount, term and annual income: the facts that a policy prices with. Edge."""

from collections.abc import Mapping

import numpy as np

from instant_credit.training.drafting.guessing.guess import Guess, Kind, Use
from instant_credit.training.drafting.reading.profile import Column
from instant_credit.training.drafting.words import lexicon


def choose_roles(guesses: Mapping[str, Guess], columns: Mapping[str, Column]) -> dict[str, str]:
    """Amount, term and annual income, where a column is certainly one of them: by its whole name, told and positive in every row."""
    found: dict[str, str] = {}
    for role, wanted, kind, least, most in (
        ("amount", lexicon.AMOUNT_ROLE, Kind.AMOUNT, 0.01, np.inf),
        ("term", lexicon.TERM_ROLE, Kind.WHOLE, 1.0, 1200.0),
        ("income_annual", lexicon.INCOME_ROLE, Kind.AMOUNT, 0.0, np.inf),
    ):
        for name, guess in guesses.items():
            if guess.use is not Use.FACT or guess.kind is not kind:
                continue
            is_whole = guess.told == columns[name].rows
            is_named = " ".join(columns[name].words) in wanted
            if is_named and is_whole and not guess.missing.texts and least <= guess.low and guess.high <= most:
                found.setdefault(role, guess.name)
    if "amount" not in found or "term" not in found:
        return {}
    return found
