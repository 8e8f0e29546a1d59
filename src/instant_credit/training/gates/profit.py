"""Profit: what recorded Cases would earn if the candidate decided them under the policy in force.

Of an application that is offered amount A over n months, with what it pays above A when all is repaid, and probability p of default::

    profit = (1 - p) x interest - p x lost x A - cost a year x A x (n + 1) / 24

(a level loan of n months is outstanding on average for (n + 1) / 24 years of its amount), and of one that is not offered anything 0.
Every offer counts as taken. p is 1 or 0 where the loan's outcome is known, since it was lent then; otherwise it is the champion's pd for
both, so that a candidate gains nothing by thinking better of everybody, and the candidate's own where there is no champion. What is lost
of A is exposure times loss given default by the release's loss table, of the Case's segment where that has figures of its own; where no
table tells it, the thresholds' assumption, and the sentence says which. Cost is the thresholds' assumption.

The difference is paired: application by application, with a normal interval of its weighted mean. The candidate has to show that it
earns no less than the champion by more than the margin; without a champion, that it earns something.
"""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.decision.gate_report import Gate, GateResult
from instant_credit.training.gates.contest import Contest
from instant_credit.training.gates.figures import conclude, lacks, passes_if, tell
from instant_credit.training.gates.redeciding import Answers, Redecided
from instant_credit.training.gates.thresholds import ProfitThresholds
from instant_credit.training.intervals import NORMAL_POINT, Measured, measure_bad_rate
from instant_credit.training.weights import effective_loans
from instant_credit.units import PPM, Ppm, percent_text

_MONTHS: float = 24.0

Floats = NDArray[np.float64]


class Ledger(Struct, frozen=True, kw_only=True, eq=False):
    """What each application earns and loses on average, float64[n] cents."""

    profits: Floats
    losses: Floats


def judge_profit(contest: Contest, redecided: Redecided | None) -> GateResult:
    """Profit per application, against the champion's."""
    limits = contest.thresholds.profit
    if redecided is None:
        return lacks(Gate.PROFIT, "No recorded Case was decided again under a policy, so no profit can be told.")
    count = len(redecided.recorded.cases)
    if count < limits.cases_min:
        return lacks(
            Gate.PROFIT, f"{count:,} recorded Cases could be decided again; at least {limits.cases_min:,} are needed."
        )
    if not redecided.is_priced:
        return lacks(Gate.PROFIT, "The policy prices nothing, so an offer has no profit to count.")
    weights = redecided.recorded.weights
    chances = find_chances(redecided)
    lost = find_lost_shares(redecided, limits)
    own = keep_ledger(redecided.candidate, chances, lost, limits)
    asked = float(np.average(np.nan_to_num(redecided.asked), weights=weights))
    known = int((redecided.recorded.labels >= 0).sum())
    figures = [
        tell("Cases decided again", count, "cases", at_least=limits.cases_min),
        tell("of them with a known outcome", known, "cases"),
        tell("lost of the amount lent when a loan goes bad", float(np.average(lost, weights=weights)), "share"),
        tell("offered", measure_offers(redecided.candidate, weights), "share"),
        tell("expected loss per application", measure_mean(own.losses, weights), "cents"),
        tell("profit per application", measure_mean(own.profits, weights), "cents"),
    ]
    stated = f"{_tell_known(redecided)}; {_tell_lost(redecided, limits)}"
    if redecided.champion is None:
        profit = measure_mean(own.profits, weights)
        return conclude(
            Gate.PROFIT,
            passes_if(profit.low > 0.0),
            f"An application earns {_cents(profit)} cents, whose interval must lie above 0; {stated}.",
            figures,
        )
    former = keep_ledger(redecided.champion, chances, lost, limits)
    gain = measure_mean(own.profits - former.profits, weights)
    margin = limits.margin_ppm / PPM * asked
    figures += [
        tell("offered by the champion", measure_offers(redecided.champion, weights), "share"),
        tell("expected loss per application under the champion", measure_mean(former.losses, weights), "cents"),
        tell("profit per application under the champion", measure_mean(former.profits, weights), "cents"),
        tell("gain per application", gain, "cents", at_least=-margin),
    ]
    return conclude(
        Gate.PROFIT,
        passes_if(gain.low >= -margin),
        f"Under the policy in force an application earns {_cents(gain)} cents more than under the champion, which must lie above "
        f"-{margin:,.0f}; {stated}.",
        figures,
    )


def find_chances(redecided: Redecided) -> Floats:
    """Probability of default of each Case, float64[n]: the outcome where it is known, else the champion's pd, else the candidate's.

    A Case that neither can score is offered nothing, so it may count as 0.
    """
    judge = redecided.candidate if redecided.champion is None else redecided.champion
    pds = np.where(np.isnan(judge.pds), redecided.candidate.pds, judge.pds)
    labels = redecided.recorded.labels
    return np.where(labels >= 0, labels.astype(np.float64), np.nan_to_num(pds))


def find_lost_shares(redecided: Redecided, limits: ProfitThresholds) -> Floats:
    """Part of the amount lent that each Case's loan loses when it goes bad, float64[n]: by the loss table, else as the thresholds assume."""
    if redecided.lost is not None:
        return redecided.lost.shares
    return np.full(len(redecided.recorded.labels), limits.loss_given_default_ppm / PPM)


def _tell_known(redecided: Redecided) -> str:
    labels = redecided.recorded.labels
    whose = "pd" if redecided.champion is None else "champion's pd"
    return f"the outcome is known of {int((labels >= 0).sum()):,} of {len(labels):,} Cases, of the others the {whose} counts"


def _tell_lost(redecided: Redecided, limits: ProfitThresholds) -> str:
    lost = redecided.lost
    if lost is None:
        assumed = percent_text(Ppm(limits.loss_given_default_ppm))
        return f"no loss table of a release tells what a bad loan loses, so it is {assumed} of the amount lent as the thresholds assume"
    own = f"by its own segment for {int(lost.is_own.sum()):,} Cases, by all loans for the others"
    return f"what a bad loan loses is told by loss table {lost.table_hash[:12]}, {own}"


def keep_ledger(answers: Answers, chances: Floats, lost: Floats, limits: ProfitThresholds) -> Ledger:
    """Profit and loss of each answer, given chances float64[n] of default and parts float64[n] of the amount that a default loses."""
    losses = chances * lost * answers.amounts
    costs = limits.cost_ppm / PPM * answers.amounts * (answers.months + 1.0) / _MONTHS
    return Ledger(profits=(1.0 - chances) * answers.interests - losses - costs, losses=losses)


def measure_mean(values: Floats, weights: Floats) -> Measured:
    """Weighted mean of float64[n > 1] with its normal interval."""
    mean = float(np.average(values, weights=weights))
    size = effective_loans(weights)
    variance = float(np.average((values - mean) ** 2, weights=weights)) * size / (size - 1.0)
    half = NORMAL_POINT * math.sqrt(variance / size)
    return Measured(value=mean, low=mean - half, high=mean + half)


def measure_offers(answers: Answers, weights: Floats) -> Measured:
    """Share of Cases that are offered something."""
    return measure_bad_rate(answers.is_offered.astype(np.int8), weights)


def _cents(measured: Measured) -> str:
    return f"{measured.value:,.0f} ({measured.low:,.0f} to {measured.high:,.0f})"
