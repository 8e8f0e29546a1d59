"""Calibration: are pds as high as what came, on the whole and in each segment?

The line of Cox (`report/calibration.py`): with the slope held at 1 the intercept is how far pds lie too low, in log-odds; the slope says
whether they are spread too far apart (below 1) or too close together (above 1). A figure fails when its whole interval lies beyond its
limits; where the interval is wider than the thresholds allow, nothing is known and the gate has not enough.

*Segments* are the categories of the model's category variables, the one that calibrations go by first. A segment with few good or bad
loans tells nothing and is named. Intervals of k segments are widened to hold together 95 times in 100 (Bonferroni).
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import norm

from instant_credit.decision.gate_report import Figure, Gate, GateResult, Verdict
from instant_credit.training.gates.contest import Contest
from instant_credit.training.gates.figures import conclude, lacks, name_all, passes_if, tell, with_interval
from instant_credit.training.intervals import CONFIDENCE, NORMAL_POINT, Measured
from instant_credit.training.report.calibration import CalibrationLine, measure_calibration
from instant_credit.training.weights import relative_weights

_SEGMENTS_TOLD: Final = 40


class Segment(Struct, frozen=True, kw_only=True):
    """A category that holds enough loans, and how far its pds lie too low (above 0)."""

    name: str
    loans: int
    bads: int
    intercept: Measured


def judge_calibration(contest: Contest) -> GateResult:
    """The line over all loans of the test."""
    limits = contest.thresholds.calibration
    if contest.is_thin:
        return lacks(Gate.CALIBRATION, contest.tell_thin())
    test, pds = contest.test, contest.test_scored.pds
    weights = relative_weights(test.weights)
    line = measure_calibration(pds, test.labels, weights)
    if line is None:
        return lacks(
            Gate.CALIBRATION, "No line can be fitted: the candidate gives one pd to all, or orders all loans perfectly."
        )
    expected = float(np.average(pds, weights=test.weights))
    intercept, slope = line.intercept_at_slope_1, line.slope
    figures = [
        tell("intercept at slope 1", intercept, "log_odds", at_most=limits.intercept_log_odds_max),
        tell("slope", slope, "slope", at_least=limits.slope_min),
        tell("slope, upper limit", slope, "slope", at_most=limits.slope_max),
        tell("mean pd over bad rate", expected / test.bad_rate, "ratio"),
        *_tell_champion(contest, weights),
    ]
    text = (
        f"pds lie {with_interval(intercept)} log-odds too low (within {limits.intercept_log_odds_max:.3f} either way), with a slope of "
        f"{with_interval(slope)} ({limits.slope_min:.2f} to {limits.slope_max:.2f})"
    )
    if is_beyond(intercept, -limits.intercept_log_odds_max, limits.intercept_log_odds_max) or is_beyond(
        slope, limits.slope_min, limits.slope_max
    ):
        return conclude(Gate.CALIBRATION, Verdict.FAILED, f"The calibration is off: {text}.", figures)
    if is_vague(line, limits.interval_log_odds_max, limits.interval_slope_max):
        return lacks(Gate.CALIBRATION, f"The calibration is not known well enough: {text}.", figures)
    return conclude(Gate.CALIBRATION, Verdict.PASSED, f"The calibration holds: {text}.", figures)


def judge_segment_calibration(contest: Contest) -> GateResult:
    """The intercept in each category that holds enough loans."""
    limits = contest.thresholds.segment_calibration
    if contest.is_thin:
        return lacks(Gate.SEGMENT_CALIBRATION, contest.tell_thin())
    if not contest.loans.columns.is_category.any():
        return conclude(
            Gate.SEGMENT_CALIBRATION, Verdict.PASSED, "The model knows no category, so no segment is judged apart.", []
        )
    large, small = list_segments(contest)
    if not large:
        return lacks(
            Gate.SEGMENT_CALIBRATION,
            f"No category holds {limits.segment_goods_min:,} good and {limits.segment_bads_min:,} bad loans of the test.",
        )
    limit = limits.intercept_log_odds_max
    figures: list[Figure] = [
        tell(f"intercept of {one.name}", one.intercept, "log_odds", at_most=limit) for one in large[:_SEGMENTS_TOLD]
    ]
    figures.append(tell("categories with too few loans", len(small), "categories"))
    off = [one for one in large if is_beyond(one.intercept, -limit, limit)]
    left = f"; {len(small)} with fewer loans are not judged" if small else ""
    if off:
        worst = max(off, key=lambda one: abs(one.intercept.value))
        text = f"pds are off in {name_all([one.name for one in off])}: in {worst.name} they lie {with_interval(worst.intercept)} log-odds too low"
    else:
        worst = max(large, key=lambda one: abs(one.intercept.value))
        text = (
            f"In none of {len(large)} categories are pds off; most so in {worst.name}, where they lie {with_interval(worst.intercept)} "
            "log-odds too low"
        )
    return conclude(
        Gate.SEGMENT_CALIBRATION,
        passes_if(not off),
        f"{text[0].upper()}{text[1:]} (within {limit:.3f} either way){left}.",
        figures,
    )


def list_segments(contest: Contest) -> tuple[list[Segment], list[str]]:
    """Categories with enough loans of the test, and the names of those with fewer."""
    test, limits = contest.test, contest.thresholds.segment_calibration
    weights = relative_weights(test.weights)
    masks, small = [], []
    for name, mask in _iterate_categories(contest):
        bads = int((test.labels[mask] == 1).sum())
        if bads >= limits.segment_bads_min and int(mask.sum()) - bads >= limits.segment_goods_min:
            masks.append((name, mask))
        elif mask.any():
            small.append(name)
    wider = _bonferroni(len(masks)) / NORMAL_POINT
    large = []
    for name, mask in masks:
        line = measure_calibration(
            contest.test_scored.pds[mask], test.labels[mask], None if weights is None else weights[mask]
        )
        if line is None:
            small.append(name)
            continue
        found = line.intercept_at_slope_1
        large.append(
            Segment(
                name=name,
                loans=int(mask.sum()),
                bads=int((test.labels[mask] == 1).sum()),
                intercept=Measured(
                    value=found.value,
                    low=found.value - wider * (found.value - found.low),
                    high=found.value + wider * (found.high - found.value),
                ),
            )
        )
    return large, small


def is_beyond(measured: Measured, low: float, high: float) -> bool:
    """Whether the whole interval lies outside [low, high]."""
    return measured.high < low or measured.low > high


def is_vague(line: CalibrationLine, intercept_max: float, slope_max: float) -> bool:
    """Whether an interval is wider than it may be."""
    widths = (line.intercept_at_slope_1.high - line.intercept_at_slope_1.low, line.slope.high - line.slope.low)
    return not all(map(math.isfinite, widths)) or widths[0] > intercept_max or widths[1] > slope_max


def _iterate_categories(contest: Contest) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each category and the test loans in it, those of the segment variable first."""
    columns, first = contest.loans.columns, contest.candidate.bundle.segment_variable
    positions = [j for j, names in enumerate(columns.categories) if names]
    for j in sorted(positions, key=lambda j: (columns.names[j] != first, j)):
        codes = contest.test.matrix[:, j]
        for code, name in enumerate(columns.categories[j]):
            yield f"{columns.names[j]} {name}", codes == code


def _bonferroni(count: int) -> float:
    """Standard deviations on either side that hold `count` intervals together."""
    return float(norm.ppf(1.0 - (1.0 - CONFIDENCE) / (2.0 * max(count, 1))))


def _tell_champion(contest: Contest, weights: NDArray[np.float64] | None) -> list[Figure]:
    if contest.champion_scored is None:
        return []
    line = measure_calibration(contest.champion_scored.pds, contest.test.labels, weights)
    if line is None:
        return []
    return [tell("intercept of the champion at slope 1", line.intercept_at_slope_1, "log_odds")]
