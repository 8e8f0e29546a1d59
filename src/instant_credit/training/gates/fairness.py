"""Fairness: are groups that no decision may see offered loans as often as the most favoured one, and scored alike?

*Adverse impact ratio*  share of a group that is offered a loan over that of the group of its attribute that is offered one most often. Its
                        interval is Katz's, on the log scale. Below four fifths, and below 1 beyond chance, it fails (29 CFR 1607.4(D)).
*Mean difference*       how much riskier a group is scored than that one: the difference of the mean log-odds of default over their
                        pooled standard deviation (Cohen's d), with the interval of Hedges and Olkin. It fails beyond its limit and
                        beyond chance.

Groups come sealed apart from the Case and meet the answers only here. A group smaller than the thresholds say is not judged, and where
no two groups are large enough there is not enough to tell. What is measured is what the candidate would offer under the policy in
force, so a policy that is unfair by itself fails the candidate too; the champion's ratio stands beside it.

Source: Katz et al. (1978), "Obtaining confidence intervals for the risk ratio in cohort studies"; Hedges and Olkin (1985), "Statistical
Methods for Meta-Analysis", chapter 5.
"""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.decision.gate_report import Figure, Gate, GateResult, Verdict
from instant_credit.training.gates.contest import Contest
from instant_credit.training.gates.figures import conclude, lacks, name_all, tell, with_interval
from instant_credit.training.gates.redeciding import Answers, Grouping, Redecided
from instant_credit.training.gates.thresholds import FairnessThresholds
from instant_credit.training.intervals import NORMAL_POINT, Measured
from instant_credit.training.weights import effective_loans

_PD_MIN = 1e-6
_HALF = 0.5

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class GroupTold(Struct, frozen=True, kw_only=True):
    """A group beside the most favoured one of its attribute: `ratio` None where nobody is offered anything, `difference` None where
    scores do not differ within groups.
    """

    name: str
    against: str
    cases: int
    ratio: Measured | None
    difference: Measured | None
    champion_ratio: Measured | None

    def faults(self, limits: FairnessThresholds) -> list[str]:
        """What of it fails, in words."""
        told = []
        if self.ratio is not None and self.ratio.value < limits.impact_ratio_min and self.ratio.high < 1.0:
            told.append(
                f"{self.name} is offered a loan {with_interval(self.ratio, 2)} times as often as {self.against} (at least "
                f"{limits.impact_ratio_min:.2f})"
            )
        most = limits.mean_difference_deviations_max
        if self.difference is not None and self.difference.value > most and self.difference.low > 0.0:
            told.append(
                f"{self.name} is scored {with_interval(self.difference, 2)} standard deviations riskier than {self.against} (at most {most:.2f})"
            )
        return told


def judge_fairness(contest: Contest, redecided: Redecided | None) -> GateResult:
    """Every group that is large enough, of every attribute that was told."""
    limits = contest.thresholds.fairness
    if redecided is None:
        return lacks(Gate.FAIRNESS, "No recorded Case was decided again, so nothing is known of groups.")
    groups, small = list_groups(redecided, limits)
    figures = [tell("groups with too few Cases", len(small), "groups")]
    if not groups:
        told = "no Case tells a group" if not small else f"too few Cases tell {name_all(small)}"
        return lacks(
            Gate.FAIRNESS,
            f"Groups cannot be compared: {told}; {limits.group_cases_min:,} of each of two are needed.",
            figures,
        )
    for one in groups:
        figures += _tell_group(one, limits)
    faults = [fault for one in groups for fault in one.faults(limits)]
    if faults:
        return conclude(Gate.FAIRNESS, Verdict.FAILED, f"Groups are not treated alike: {name_all(faults, 3)}.", figures)
    ratios = [one.ratio.value for one in groups if one.ratio is not None]
    if not ratios:
        return lacks(Gate.FAIRNESS, "Nobody is offered a loan, so no ratio can be told.", figures)
    left = f"; too few Cases tell {name_all(small)}" if small else ""
    return conclude(
        Gate.FAIRNESS,
        Verdict.PASSED,
        f"Of {len(groups)} groups the least favoured is offered a loan {min(ratios):.2f} times as often as the most favoured one of its attribute "
        f"(at least {limits.impact_ratio_min:.2f}, or within chance){left}.",
        figures,
    )


def list_groups(redecided: Redecided, limits: FairnessThresholds) -> tuple[list[GroupTold], list[str]]:
    """Groups large enough beside the most favoured of their attribute, and the names of smaller ones."""
    told, small = [], []
    weights = redecided.recorded.weights
    for grouping in redecided.recorded.groupings:
        counts = np.bincount(grouping.codes[grouping.codes >= 0], minlength=len(grouping.names))
        large = [code for code in range(len(grouping.names)) if counts[code] >= limits.group_cases_min]
        small += [
            f"{grouping.attribute} {grouping.names[code]}"
            for code in range(len(grouping.names))
            if 0 < counts[code] < limits.group_cases_min
        ]
        if len(large) < 2:
            small += [f"{grouping.attribute} {grouping.names[code]}" for code in large]
            continue
        shares = {code: _offered_share(redecided.candidate, grouping.codes == code, weights) for code in large}
        favoured = max(large, key=lambda code: (shares[code], int(counts[code]), -code))
        told += [_compare(redecided, grouping, code, favoured, weights) for code in large if code != favoured]
    return told, small


def _compare(redecided: Redecided, grouping: Grouping, code: int, favoured: int, weights: Floats) -> GroupTold:
    own, other = grouping.codes == code, grouping.codes == favoured
    return GroupTold(
        name=f"{grouping.attribute} {grouping.names[code]}",
        against=f"{grouping.attribute} {grouping.names[favoured]}",
        cases=int(own.sum()),
        ratio=_ratio_of(redecided.candidate, own, other, weights),
        difference=_difference_of(redecided.candidate, own, other, weights),
        champion_ratio=None if redecided.champion is None else _ratio_of(redecided.champion, own, other, weights),
    )


def _ratio_of(answers: Answers, own: Flags, other: Flags, weights: Floats) -> Measured | None:
    shares = [_offered_share(answers, mask, weights) for mask in (own, other)]
    return measure_ratio(shares[0], effective_loans(weights[own]), shares[1], effective_loans(weights[other]))


def _offered_share(answers: Answers, mask: Flags, weights: Floats) -> float:
    return float(np.average(answers.is_offered[mask], weights=weights[mask]))


def measure_ratio(share: float, cases: float, other_share: float, other_cases: float) -> Measured | None:
    """Ratio of two shares with Katz's interval; None when the other share is 0. A share of 0 has an interval as half a case would."""
    if other_share <= 0.0:
        return None
    floor = max(share, _HALF / cases)
    variance = (1.0 - floor) / (cases * floor) + (1.0 - other_share) / (other_cases * other_share)
    width = math.exp(NORMAL_POINT * math.sqrt(variance))
    low = share / other_share / width
    return Measured(value=share / other_share, low=low, high=floor / other_share * width)


def _difference_of(answers: Answers, own: Flags, other: Flags, weights: Floats) -> Measured | None:
    pds = np.clip(answers.pds, _PD_MIN, 1.0 - _PD_MIN)
    log_odds = np.log(pds) - np.log1p(-pds)
    is_scored = ~np.isnan(pds)
    return measure_mean_difference(
        log_odds[own & is_scored], weights[own & is_scored], log_odds[other & is_scored], weights[other & is_scored]
    )


def measure_mean_difference(own: Floats, weights: Floats, other: Floats, other_weights: Floats) -> Measured | None:
    """Difference of the means of float64[n] and float64[k] over their pooled standard deviation; None where that is 0 or unknown."""
    if len(own) < 2 or len(other) < 2:
        return None
    sizes = effective_loans(weights), effective_loans(other_weights)
    means = float(np.average(own, weights=weights)), float(np.average(other, weights=other_weights))
    variances = _variance(own, weights, sizes[0]), _variance(other, other_weights, sizes[1])
    pooled = ((sizes[0] - 1.0) * variances[0] + (sizes[1] - 1.0) * variances[1]) / (sizes[0] + sizes[1] - 2.0)
    if pooled <= 0.0:
        return None
    value = (means[0] - means[1]) / math.sqrt(pooled)
    deviation = math.sqrt(sum(sizes) / (sizes[0] * sizes[1]) + value * value / (2.0 * sum(sizes)))
    return Measured(value=value, low=value - NORMAL_POINT * deviation, high=value + NORMAL_POINT * deviation)


def _variance(values: Floats, weights: Floats, size: float) -> float:
    mean = np.average(values, weights=weights)
    return float(np.average((values - mean) ** 2, weights=weights)) * size / (size - 1.0)


def _tell_group(one: GroupTold, limits: FairnessThresholds) -> list[Figure]:
    figures = [tell(f"{one.name}, Cases", one.cases, "cases", at_least=limits.group_cases_min)]
    if one.ratio is not None:
        figures.append(tell(f"{one.name}, adverse impact ratio", one.ratio, "ratio", at_least=limits.impact_ratio_min))
    if one.champion_ratio is not None:
        figures.append(tell(f"{one.name}, adverse impact ratio of the champion", one.champion_ratio, "ratio"))
    if one.difference is not None:
        most = limits.mean_difference_deviations_max
        figures.append(tell(f"{one.name}, mean difference", one.difference, "deviations", at_most=most))
    return figures
