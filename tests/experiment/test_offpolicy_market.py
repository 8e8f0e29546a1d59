"""Policies that were never run, valued in a market whose truth is known: by score, by another score, by amount, by chance."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from instant_credit.experiment.offpolicy import EFFECTIVE_MIN, Estimator, Floats, Logged, evaluate_target
from instant_credit.market.applicants import Applicants, draw_applicants
from instant_credit.market.instalments import offer_as_asked
from instant_credit.market.loans import live_loans
from instant_credit.market.truth import draw_truth
from instant_credit.market.world import World
from instant_credit.units import Ppm
from tests.budget import IS_PROVING

SHARE = 0.03
DECLINE_FROM, FLOOR = 0.15, 0.60
APPLICATIONS = 12_000
SEEDS = 240 if IS_PROVING else 30
# The pairs of a year share its draws, so that the quick form's 30 years may lie some percent off.
COVERAGE_MIN = 0.93 if IS_PROVING else 0.90
# Worlds of which the truth is taken, and of which none is valued.
TRUTH_SEEDS = range(1_000_000, 1_000_100 if IS_PROVING else 1_000_025)


class Year(NamedTuple):
    """Applicants, the lender's pd and another score's, and what each would bring if approved, in cents."""

    applicants: Applicants
    pds: Floats
    others: Floats
    rewards: Floats


def live_year(seed: int) -> Year:
    world = World(seed=seed, hidden_seed=seed)
    applicants = draw_applicants(world, 0, APPLICATIONS)
    offers = offer_as_asked(applicants, Ppm(180_000))
    everybody = np.full(APPLICATIONS, True)
    loans = live_loans(world, applicants, draw_truth(world, applicants), everybody, offers)
    facts = applicants.columns
    used = facts["revolving_utilisation"]
    odds = -2.6 + 1.6 * used + 0.25 * facts["inquiries_6m"] + 0.4 * facts["delinquencies_2y"]
    other = -2.9 + 1.2 * used + 2.0 * np.maximum(used - 0.75, 0.0) + 0.02 * facts["debt_to_income_percent"]
    other -= 0.05 * facts["employment_years"]
    return Year(
        applicants, 1.0 / (1.0 + np.exp(-odds)), 1.0 / (1.0 + np.exp(-other)), loans.profit_cents.astype(np.float64)
    )


Target = Callable[[Year], Floats]


def cut(below: float) -> Target:
    return lambda year: (year.pds < below).astype(np.float64)


TARGETS: dict[str, Target] = {
    "stricter": cut(0.12),
    "wider": cut(0.20),
    "much_wider": cut(0.30),
    "widest": cut(FLOOR),
    "other_score": lambda year: ((year.others < 0.12) & (year.pds < FLOOR)).astype(np.float64),
    "small_loans_wider": lambda year: (
        year.pds < np.where(year.applicants.columns["requested_amount_cents"] < 1_000_000, FLOOR, DECLINE_FROM)
    ).astype(np.float64),
    "by_chance": lambda year: np.where(year.pds < FLOOR, 0.5, 0.0),
    "softly": lambda year: np.where(year.pds < FLOOR, 1.0 / (1.0 + np.exp((year.pds - 0.2) * 30.0)), 0.0),
}


def approve_chances(year: Year) -> Floats:
    return np.select([year.pds < DECLINE_FROM, year.pds < FLOOR], [1.0, SHARE], 0.0)


def decide(year: Year, seed: int) -> Logged:
    """As the lender decides; a household is one unit, since what is hidden of its members is partly the same."""
    chances = approve_chances(year)
    is_approved = np.random.Generator(np.random.PCG64(seed)).random(APPLICATIONS) < chances
    return Logged(
        is_approved=is_approved,
        propensities=np.where(is_approved, chances, 1.0 - chances),
        rewards=np.where(is_approved, year.rewards, 0.0),
        persons=year.applicants.households,
    )


def predict(year: Year, logged: Logged) -> Floats:
    """What approvals of one half of the households say of the other half, least squares."""
    used = year.applicants.columns["revolving_utilisation"]
    columns = np.column_stack([np.ones(APPLICATIONS), year.pds, year.pds**2, used])
    columns *= year.applicants.columns["requested_amount_cents"][:, None]
    halves = year.applicants.households % 2
    found = np.zeros(APPLICATIONS)
    for half in (0, 1):
        rows = (halves != half) & logged.is_approved
        weights, *_ = np.linalg.lstsq(columns[rows], logged.rewards[rows], rcond=None)
        found[halves == half] = columns[halves == half] @ weights
    return found


@cache
def find_truths() -> dict[str, float]:
    """Cents per application that each target, and the lender itself, brings in the mean of worlds."""
    sums = Counter[str]()
    for seed in TRUTH_SEEDS:
        year = live_year(seed)
        for name, target in {**TARGETS, "own": approve_chances}.items():
            sums[name] += float((target(year) * year.rewards).mean())
    return {name: total / len(TRUTH_SEEDS) for name, total in sums.items()}


@pytest.mark.prove
@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_in_the_market_the_truth_lies_in_95_percent_intervals_at_the_stated_rate():
    truths = find_truths()
    pairs, values, gains = 0, Counter[Estimator](), Counter[Estimator]()
    for seed in range(SEEDS):
        year = live_year(seed)
        logged = decide(year, seed)
        predictions = predict(year, logged)
        for name, target in TARGETS.items():
            found = evaluate_target(logged, target(year), predictions)
            assert found.is_supported == (found.effective >= EFFECTIVE_MIN)
            pairs += found.is_supported
            for one in found.estimates:
                values[one.estimator] += one.value.cents_low <= truths[name] <= one.value.cents_high
                gains[one.estimator] += one.gain.cents_low <= truths[name] - truths["own"] <= one.gain.cents_high
        for beyond in (cut(FLOOR + 0.02), lambda one: (one.others < 0.5).astype(np.float64)):
            refused = evaluate_target(logged, beyond(year), predictions)
            assert "was never approved" in refused.refusals[0]
            assert refused.estimates == ()
    for estimator in Estimator:
        told = values[estimator] / pairs, gains[estimator] / pairs
        print(f"{estimator}: value {told[0]:.4f}, gain {told[1]:.4f} of {pairs} pairs")
        assert min(told) >= COVERAGE_MIN, estimator
    assert pairs >= 200
