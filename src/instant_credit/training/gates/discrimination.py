"""Discrimination: does the candidate order good and bad loans at least as well as the champion, out of time?

The difference between two AUCs over the same loans has DeLong's variance, paired loan by loan (`training/intervals.py`), bootstrapped
where loans have sampling weights. The candidate passes when the whole interval lies above the margin: it has to show that it is not
worse (non-inferiority), and a test too small to show it stops it. Without a champion the interval must lie above the floor. A champion that
was fitted on some of the loans judged looks better on them than it is: how many they are is told, and the candidate still has to keep up.

Source: DeLong, DeLong and Clarke-Pearson (1988); on non-inferiority Walker and Nowacki (2011), "Understanding equivalence and
noninferiority testing".
"""

import math

from scipy.stats import norm

from instant_credit.decision.gate_report import Gate, GateResult
from instant_credit.training.gates.contest import Contest
from instant_credit.training.gates.figures import conclude, lacks, passes_if, tell, with_interval
from instant_credit.training.intervals import NORMAL_POINT, Measured, measure_auc, measure_auc_difference


def judge_discrimination(contest: Contest) -> GateResult:
    """AUC against the floor, and against the champion's within the margin."""
    thresholds = contest.thresholds.discrimination
    if contest.is_thin:
        return lacks(Gate.DISCRIMINATION, contest.tell_thin())
    labels, weights = contest.test.labels, contest.test.weights
    own = measure_auc(contest.test_scored.pds, labels, weights)
    figures = [tell("AUC", own, "auc", at_least=thresholds.auc_min)]
    if contest.champion_scored is None:
        return conclude(
            Gate.DISCRIMINATION,
            passes_if(own.low >= thresholds.auc_min),
            f"The AUC is {with_interval(own)}; without a champion its interval must lie above the floor of {thresholds.auc_min:.3f}.",
            figures,
        )
    former = measure_auc(contest.champion_scored.pds, labels, weights)
    gain = measure_auc_difference(contest.test_scored.pds, contest.champion_scored.pds, labels, weights)
    figures += [
        tell("AUC of the champion", former, "auc"),
        tell("gain over the champion", gain, "auc", at_least=-thresholds.margin_auc),
        tell("p-value of no difference", find_p_value(gain), "share"),
    ]
    seen = contest.champion_seen
    if seen is not None:
        figures.append(tell("loans judged that the champion was fitted on", seen.loans, "loans"))
    return conclude(
        Gate.DISCRIMINATION,
        passes_if(own.value >= thresholds.auc_min and gain.low >= -thresholds.margin_auc),
        f"The AUC is {own.value:.3f} against the champion's {former.value:.3f}: a difference of {with_interval(gain)}, which must lie above "
        f"-{thresholds.margin_auc:.3f}, and no lower than the floor of {thresholds.auc_min:.3f}.{_tell_seen(contest)}",
        figures,
    )


def _tell_seen(contest: Contest) -> str:
    """That the champion knows some of the loans judged; nothing where it does not, or where nobody can tell."""
    seen = contest.champion_seen
    if seen is None or not seen.loans:
        return ""
    count = f"{seen.loans:,}" if seen.is_exact else f"up to {seen.loans:,}"
    return f" The champion was fitted on {count} of the {contest.test.loans:,} loans judged, which speaks for it more than it deserves."


def find_p_value(difference: Measured) -> float:
    """Two-sided chance of a difference as large where there is none, from a normal interval; 1 where the two are the same."""
    deviation = (difference.high - difference.low) / (2.0 * NORMAL_POINT)
    if deviation == 0.0:
        return 1.0 if difference.value == 0.0 else 0.0
    return float(2.0 * norm.sf(math.fabs(difference.value) / deviation))
