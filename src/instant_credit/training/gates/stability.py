"""Stability: do score and variables still look as they did when the candidate was fitted?

The population stability index of `outcome/drift.py`, over bins that are cut on the loans fitted on: those against the loans judged, and
against each month (quarter, year) of them. An index fails when it is above its limit and above what chance alone would stay below 95
times in 100; where chance alone reaches the limit, the loans are too few to say. The index of a variable is what the trade calls CSI;
judged are variables that carry the score, by their share of all absolute contributions over the loans judged.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.decision.gate_report import Figure, Gate, GateResult, Verdict
from instant_credit.outcome.drift import Psi
from instant_credit.score.model import explain_rows
from instant_credit.training.gates.contest import Contest
from instant_credit.training.gates.figures import conclude, lacks, name_all, tell
from instant_credit.training.report.drift import Split, VariableDrift, measure_drift
from instant_credit.training.report.vintages import Vintages, find_vintages
from instant_credit.training.weights import relative_weights

_TOLD: Final = 12
_WEIGHED_MAX: Final = 5_000
_SCORE: Final = "score"


class Shift(Struct, frozen=True, kw_only=True):
    """One index that is judged: of what, when, and its limit."""

    name: str
    psi: Psi
    limit: float

    @property
    def is_too_far(self) -> bool:
        """Above its limit, and more than chance."""
        return self.psi.value > self.limit and self.psi.value > self.psi.chance

    @property
    def is_open(self) -> bool:
        """Whether chance alone could reach the limit."""
        return not self.is_too_far and self.psi.chance > self.limit


def judge_stability(contest: Contest) -> GateResult:
    """Indices of score and variables, over the whole test and period by period."""
    if not contest.fit.loans:
        return lacks(Gate.STABILITY, "The book holds none of the loans that the candidate was fitted on.")
    shifts, periods = measure_shifts(contest)
    told = sorted((*shifts, *periods), key=lambda one: (one.limit - one.psi.value, one.name))
    figures = _tell_shifts(shifts[0], told)
    far = [one for one in told if one.is_too_far]
    if far:
        return conclude(
            Gate.STABILITY,
            Verdict.FAILED,
            f"What the candidate sees has shifted since it was fitted: {name_all([f'{one.name} by {one.psi.value:.2f}' for one in far])} "
            f"(at most {far[0].limit:.2f}).",
            figures,
        )
    if shifts[0].is_open:
        return lacks(
            Gate.STABILITY,
            f"So few loans shift by chance alone by {shifts[0].psi.chance:.2f}, more than the {shifts[0].limit:.2f} that is allowed.",
            figures,
        )
    return conclude(
        Gate.STABILITY,
        Verdict.PASSED,
        f"The score has shifted by {shifts[0].psi.value:.3f} since the fit (at most {shifts[0].limit:.2f}), no variable that carries it and no period "
        "by more than it may.",
        figures,
    )


def measure_shifts(contest: Contest) -> tuple[list[Shift], list[Shift]]:
    """Shifts over the whole test, that of the score first, and those of its periods, where there is more than one."""
    limits = contest.thresholds.stability
    vintages = find_vintages(np.concatenate([contest.fit.days, contest.test.days]))
    tested = set(vintages.codes[contest.fit.loans :].tolist())
    shifts, periods = [], []
    for name, drift in _iterate_drifts(contest, vintages):
        assert drift.psi is not None
        limit = limits.score_index_max if name == _SCORE else limits.variable_index_max
        shifts.append(Shift(name=name, psi=drift.psi, limit=limit))
        if len(tested) > 1:
            found = [
                Shift(name=f"{name} in {vintages.names[code]}", psi=psi, limit=limits.month_index_max)
                for code, psi in enumerate(drift.psi_by_vintage)
                if code in tested
            ]
            periods += [one for one in found if not one.is_open]
    return shifts, periods


def _iterate_drifts(contest: Contest, vintages: Vintages) -> Iterator[tuple[str, VariableDrift]]:
    """The score's drift, then that of each variable that carries it."""
    fit, test = contest.fit, contest.test
    is_base = np.arange(fit.loans + test.loans) < fit.loans
    split = Split(
        is_base=is_base,
        is_later=~is_base,
        vintages=vintages,
        weights=relative_weights(np.concatenate([fit.weights, test.weights])),
    )
    yield _SCORE, measure_drift(_SCORE, np.concatenate([contest.fit_scored.raws, contest.test_scored.raws]), split)
    columns, shares = contest.loans.columns, weigh_variables(contest)
    for j, name in enumerate(columns.names):
        if shares[j] > 0.0 and shares[j] >= contest.thresholds.stability.variable_weight_min:
            values = np.concatenate([fit.matrix[:, j], test.matrix[:, j]]).astype(np.float64)
            yield name, measure_drift(name, values, split, len(columns.categories[j]))


def weigh_variables(contest: Contest) -> NDArray[np.float64]:
    """Each variable's share of all absolute contributions over the loans judged, or a part of them spread over time: float64[m]."""
    rows = np.unique(np.linspace(0, contest.test.loans - 1, _WEIGHED_MAX).astype(np.int64))
    _, contributions = explain_rows(contest.candidate.model, np.ascontiguousarray(contest.test.matrix[rows]))
    sizes: NDArray[np.float64] = np.abs(contributions).mean(axis=0)
    total = float(sizes.sum())
    return sizes / total if total else sizes


def _tell_shifts(score: Shift, told: list[Shift]) -> list[Figure]:
    """The score's, then the largest of the others."""
    others = [one for one in told if one is not score][:_TOLD]
    return [tell(one.name, one.psi.value, "index", at_most=one.limit) for one in (score, *others)]
