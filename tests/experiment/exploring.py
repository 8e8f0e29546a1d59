"""A small book that explores: what each applicant would bring if approved, by what a lender's score sees of it and by what it does not."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instant_credit.experiment.offpolicy import Logged

Floats = NDArray[np.float64]
DECLINE_FROM, FLOOR = 0.15, 0.40


class Applicants(NamedTuple):
    """float64[n] each: the lender's pd, another score's pd, the true pd, the amount and what a loan brings where it is bad and where it is good."""

    pds: Floats
    others: Floats
    truths: Floats
    amounts: Floats
    bad_cents: Floats
    good_cents: Floats

    @property
    def expected(self) -> Floats:
        """Cents that an approval brings in the mean."""
        return self.truths * self.bad_cents + (1.0 - self.truths) * self.good_cents


def _chance(odds: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-odds))


def draw_applicants(count: int, seed: int) -> Applicants:
    """So many who apply; their scores see two of three causes of a default, with noise."""
    chance = np.random.Generator(np.random.PCG64(seed))
    seen, half_seen, hidden, noise, other = chance.normal(size=(5, count))
    amounts = np.round(np.exp(chance.normal(13.2, 0.6, count)))
    odds = -1.9 + 0.8 * seen + 0.6 * half_seen + 0.5 * hidden
    return Applicants(
        pds=_chance(-1.9 + 0.8 * seen + 0.3 * half_seen + 0.3 * noise),
        others=_chance(-1.8 + 0.7 * seen + 0.6 * half_seen + 0.2 * other),
        truths=_chance(odds),
        amounts=amounts,
        bad_cents=-np.round(amounts * chance.uniform(0.2, 0.9, count)),
        good_cents=np.round(amounts * 0.16),
    )


def approve_chances(applicants: Applicants, share: float) -> Floats:
    """The lender's chance to approve: certain below its cut-off, `share` from there up to the floor, none beyond."""
    return np.select([applicants.pds < DECLINE_FROM, applicants.pds < FLOOR], [1.0, share], 0.0)


def live(applicants: Applicants, share: float, seed: int) -> Logged:
    """Decide everybody and see what comes."""
    chance = np.random.Generator(np.random.PCG64(seed))
    chances = approve_chances(applicants, share)
    is_approved = chance.random(len(chances)) < chances
    is_bad = chance.random(len(chances)) < applicants.truths
    brought = np.where(is_bad, applicants.bad_cents, applicants.good_cents)
    return Logged(
        is_approved=is_approved,
        propensities=np.where(is_approved, chances, 1.0 - chances),
        rewards=np.where(is_approved, brought, 0.0),
    )


Target = Callable[[Applicants], Floats]


def _cut(cut_off: float) -> Target:
    return lambda one: (one.pds < cut_off).astype(np.float64)


# Ten policies that the lender never ran; each stays below the floor.
TARGETS: dict[str, Target] = {
    "stricter": _cut(0.10),
    "a_little_wider": _cut(0.18),
    "wider": _cut(0.22),
    "much_wider": _cut(0.30),
    "widest": _cut(FLOOR),
    "other_score": lambda one: ((one.others < 0.20) & (one.pds < FLOOR)).astype(np.float64),
    "other_score_strict": lambda one: ((one.others < 0.10) & (one.pds < FLOOR)).astype(np.float64),
    "small_loans_wider": lambda one: (one.pds < np.where(one.amounts < 400_000, 0.30, 0.12)).astype(np.float64),
    "by_chance": lambda one: np.where(one.pds < FLOOR, 0.5, 0.0),
    "softly": lambda one: np.where(one.pds < FLOOR, _chance((0.2 - one.pds) * 30.0), 0.0),
}
