"""Leakage and overfit: does the candidate know what it could not have known, or what it only remembers?

*Windows.* A loan that is judged may have no part in the fit, and labels may not be known later than the judging is. The training
manifest tells both.

*Single variables.* Values are cut into at most ten bins of one size in the loans fitted on (`psi.cut_bins`), a category into its codes,
missing apart; each bin counts by its bad rate there, drawn towards that of all as if `_PRIOR_LOANS` more loans had it. How well these
rates order the loans of the test is what the variable tells by itself, whatever its shape; a variable that was filled in after the loan
ended shows here, even when all that tells is whether it is missing.

*Overfit.* The fitted part's AUC is in sample; its excess over the test's is what was learned by heart, together with whatever the
world changed in between. The two samples are apart, so their variances add up.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.decision.gate_report import Gate, GateResult, Verdict
from instant_credit.outcome.drift import count_weights, cut_bins
from instant_credit.training.dataset import Loans
from instant_credit.training.gates.contest import Contest, is_thin
from instant_credit.training.gates.figures import conclude, lacks, name_all, passes_if, tell, with_interval
from instant_credit.training.intervals import Measured
from instant_credit.training.report.directions import count_trees
from instant_credit.training.report.ranking import measure_ranking
from instant_credit.training.weights import relative_weights

_PRIOR_LOANS: Final = 20.0
_TOLD: Final = 5

Floats = NDArray[np.float64]


def judge_leakage(contest: Contest) -> GateResult:
    """Windows, days of knowledge, and what each variable in use tells by itself."""
    manifest, limit = contest.candidate.manifest, contest.thresholds.leakage.variable_auc_max
    assert manifest is not None
    faults = []
    overlapping = contest.windows.overlapping
    figures = [tell("loans judged that it was fitted on", overlapping, "loans", at_most=0)]
    if overlapping:
        faults.append(f"it was fitted on {overlapping:,} of the {contest.test.loans:,} loans that it is judged on")
    if manifest.known_on > contest.loans.known_on:
        faults.append(
            f"its labels are of {manifest.known_on}, later than those that it is judged by, of {contest.loans.known_on}"
        )
    if not faults and (contest.is_thin or is_thin(contest.fit, contest.thresholds)):
        return lacks(Gate.LEAKAGE, f"What single variables tell cannot be said. {contest.tell_thin()}", figures)
    told = [] if contest.is_thin or is_thin(contest.fit, contest.thresholds) else measure_variables(contest)
    figures += [tell(f"{name} by itself", auc, "auc", at_most=limit) for name, auc in told[:_TOLD]]
    knowing = [name for name, auc in told if auc.value > limit]
    if knowing:
        faults.append(
            f"{name_all(knowing)} by {'itself orders' if len(knowing) == 1 else 'themselves order'} good and bad loans as no variable "
            f"known before the loan does (AUC {told[0][1].value:.3f}, at most {limit:.3f})"
        )
    if faults:
        return conclude(Gate.LEAKAGE, Verdict.FAILED, f"The candidate knows too much: {'; '.join(faults)}.", figures)
    strongest = (
        f"; the strongest variable by itself, {told[0][0]}, reaches an AUC of {told[0][1].value:.3f}" if told else ""
    )
    return conclude(
        Gate.LEAKAGE,
        Verdict.PASSED,
        f"It was fitted on none of the {contest.test.loans:,} loans judged{strongest}.",
        figures,
    )


def measure_variables(contest: Contest) -> list[tuple[str, Measured]]:
    """AUC over the test of every variable that a tree asks for, by itself, the highest first."""
    columns = contest.loans.columns
    asked = count_trees(contest.candidate.bundle.tables)
    told = [(name, measure_alone(contest.fit, contest.test, j)) for j, name in enumerate(columns.names) if asked[j]]
    return sorted(told, key=lambda one: (-one[1].value, one[0]))


def measure_alone(fit: Loans, test: Loans, position: int) -> Measured:
    """AUC over `test` of one variable's bad rates by bin, which are learned on `fit`; both hold good and bad loans."""
    categories = len(fit.columns.categories[position])
    values = np.concatenate([fit.matrix[:, position], test.matrix[:, position]]).astype(np.float64)
    is_fit = np.arange(len(values)) < fit.loans
    bins, count = cut_bins(values, is_fit, categories)
    bads = count_weights(bins[is_fit], fit.weights * (fit.labels == 1), count)
    loans = count_weights(bins[is_fit], fit.weights, count)
    prior = _PRIOR_LOANS * float(fit.weights.mean())
    rates = (bads + prior * fit.bad_rate) / (loans + prior)
    return measure_ranking(rates[bins[~is_fit]], test.labels, relative_weights(test.weights))


def judge_overfit(contest: Contest) -> GateResult:
    """AUC in sample less AUC on the loans judged."""
    limit = contest.thresholds.overfit.gap_auc_max
    if contest.is_thin:
        return lacks(Gate.OVERFIT, contest.tell_thin())
    if is_thin(contest.fit, contest.thresholds):
        return lacks(
            Gate.OVERFIT,
            f"The book holds {contest.fit.loans:,} of the loans that the candidate was fitted on, with too few good or bad ones among them.",
        )
    fitted, tested = (
        measure_ranking(scored.raws, loans.labels, relative_weights(loans.weights))
        for scored, loans in ((contest.fit_scored, contest.fit), (contest.test_scored, contest.test))
    )
    gap = subtract(fitted, tested)
    others = "later" if contest.windows.is_by_date else "other"
    figures = [
        tell("AUC on the loans fitted on", fitted, "auc"),
        tell(f"AUC on {others} loans", tested, "auc"),
        tell("gap", gap, "auc", at_most=limit),
    ]
    return conclude(
        Gate.OVERFIT,
        passes_if(gap.value <= limit),
        f"The AUC on the loans fitted on exceeds that on {others} ones by {with_interval(gap)}, at most {limit:.3f}.",
        figures,
    )


def subtract(one: Measured, other: Measured) -> Measured:
    """The difference of two figures over samples apart; half widths add up as variances do."""
    value = one.value - other.value
    half = float(np.hypot((one.high - one.low) / 2.0, (other.high - other.low) / 2.0))
    return Measured(value=value, low=value - half, high=value + half)
