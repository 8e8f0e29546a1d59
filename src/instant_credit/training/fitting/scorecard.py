"""The scorecard beside the model: logistic regression over bins, as credit risk has long been scored.

    variable -> bins (quantiles, pooled until the bad rate moves in the variable's direction) -> weight of evidence
    weights of evidence -> logistic regression with positive coefficients -> raw score

It is the yardstick that a tree model must beat to be worth its trouble, fitted on the same loans, calibrated and tested the same way.

Source: Siddiqi (2017), "Intelligent Credit Scoring"; pooling of adjacent violators after Ayer et al. (1955).
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.training.dataset import ModelColumns
from instant_credit.training.fitting.fit import SIGNS
from instant_credit.training.fitting.logistic import fit_logistic

BINS_MAX: Final = 10
INFORMATION_MIN: Final = 0.002
_SMOOTHING: Final = 0.5
_ROWS_MIN: Final = 30
_RIDGE: Final = 1.0


class BinnedVariable(Struct, frozen=True, kw_only=True, eq=False):
    """One variable in bins.

    Attributes
    ----------
    name, position : which column.
    edges : float32[k - 1], rising; bin i holds values above edge i - 1 up to and including edge i. Empty for a category.
    weights : float64[k], log-odds of default of each bin less that of all; by code for a category.
    missing_weight : the same for a missing value.
    information : information value, how far the variable tells good from bad.
    """

    name: str
    position: int
    is_category: bool
    edges: NDArray[np.float32]
    weights: NDArray[np.float64]
    missing_weight: float
    information: float

    def weigh(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Weights of evidence, float64[n], of values float32[n]."""
        if self.is_category:
            codes = values.astype(np.int64)
            return np.where(codes < 0, self.missing_weight, self.weights[np.maximum(codes, 0)])
        is_missing = np.isnan(values)
        bins = np.searchsorted(self.edges, np.where(is_missing, np.float32(0), values), side="left")
        return np.where(is_missing, self.missing_weight, self.weights[bins])


class Scorecard(Struct, frozen=True, kw_only=True, eq=False):
    """A fitted scorecard: raw score = intercept + sum of coefficient x weight of evidence; coefficients are above 0."""

    variables: tuple[BinnedVariable, ...]
    coefficients: tuple[float, ...]
    intercept: float

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores (log-odds of default), float64[n], of float32[n, m]."""
        scores = np.full(len(matrix), self.intercept)
        for variable, coefficient in zip(self.variables, self.coefficients, strict=True):
            scores += coefficient * variable.weigh(matrix[:, variable.position])
        return scores


def fit_scorecard(
    matrix: NDArray[np.float32],
    labels: NDArray[np.int8],
    columns: ModelColumns,
    weights: NDArray[np.float64] | None = None,
) -> Scorecard:
    """Fit a scorecard.

    Parameters
    ----------
    matrix : float32[n, m] in the order of `columns`; NaN = missing, -1 for category codes.
    labels : int8[n], 1 = bad; both kinds must occur.

    Raises
    ------
    Refused : no variable tells good loans from bad ones.
    """
    if not 0 < int(labels.sum()) < len(labels):
        raise Refused("fitting needs good and bad loans")
    binned = [bin_variable(matrix[:, j], labels, columns, j) for j in range(len(columns.names))]
    chosen = [variable for variable in binned if variable.information >= INFORMATION_MIN]
    while chosen:
        weights = np.column_stack([variable.weigh(matrix[:, variable.position]) for variable in chosen])
        intercept, coefficients = fit_logistic(weights, labels, ridge=_RIDGE)
        worst = int(coefficients.argmin())
        if coefficients[worst] > 0.0:
            return Scorecard(variables=tuple(chosen), coefficients=tuple(coefficients.tolist()), intercept=intercept)
        del chosen[worst]
    raise Refused("no variable tells good loans from bad ones")


def bin_variable(
    values: NDArray[np.float32], labels: NDArray[np.int8], columns: ModelColumns, position: int
) -> BinnedVariable:
    """Bins and weights of evidence of one column, float32[n]."""
    is_category = bool(columns.categories[position])
    is_missing = values < 0 if is_category else np.isnan(values)
    known = values[~is_missing]
    if is_category:
        edges = np.empty(0, dtype=np.float32)
        bins = known.astype(np.int64)
        bads = np.bincount(bins[labels[~is_missing] == 1], minlength=len(columns.categories[position]))
        loans = np.bincount(bins, minlength=len(columns.categories[position]))
    else:
        edges, loans, bads = _find_bins(known, labels[~is_missing], SIGNS[columns.directions[position]])
    prior = float(labels.mean())
    weights = np.array([_weigh(int(b), int(n), prior) for b, n in zip(bads, loans, strict=True)])
    missing_bads = int(labels[is_missing].sum())
    missing_weight = _weigh(missing_bads, int(is_missing.sum()), prior)
    all_loans = np.append(loans, int(is_missing.sum()))
    all_bads = np.append(bads, missing_bads)
    shares = all_bads / max(int(labels.sum()), 1) - (all_loans - all_bads) / max(int(len(labels) - labels.sum()), 1)
    return BinnedVariable(
        name=columns.names[position],
        position=position,
        is_category=is_category,
        edges=edges,
        weights=weights,
        missing_weight=missing_weight,
        information=float(shares @ np.append(weights, missing_weight)),
    )


def _find_bins(
    values: NDArray[np.float32], labels: NDArray[np.int8], sign: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Edges, loans and bads of the bins of the known values; pooled to move with `sign` unless it is 0."""
    if not len(values):
        return np.empty(0, dtype=np.float32), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    cuts = np.quantile(values, np.arange(1, BINS_MAX) / BINS_MAX, method="inverted_cdf").astype(np.float32)
    edges = np.unique(cuts)
    edges = edges[edges < values.max()]
    bins = np.searchsorted(edges, values, side="left")
    loans = np.bincount(bins, minlength=len(edges) + 1)
    bads = np.bincount(bins[labels == 1], minlength=len(edges) + 1)
    groups: list[tuple[int, int, int]] = []
    for last, (n, b) in enumerate(zip(loans.tolist(), bads.tolist(), strict=True)):
        group = (n, b, last)
        while groups and (groups[-1][0] < _ROWS_MIN or _breaks(groups[-1], group, sign)):
            before = groups.pop()
            group = (before[0] + group[0], before[1] + group[1], group[2])
        groups.append(group)
    kept = edges[[last for _, _, last in groups[:-1]]]
    return kept, np.array([n for n, _, _ in groups]), np.array([b for _, b, _ in groups])


def _breaks(before: tuple[int, int, int], after: tuple[int, int, int], sign: int) -> bool:
    """Whether the bad rate moves against the direction from one group to the next; whole numbers, so no rounding decides."""
    return sign * (after[1] * before[0] - before[1] * after[0]) < 0


def _weigh(bads: int, loans: int, prior: float) -> float:
    """Log-odds of default of a bin less that of all loans, drawn towards 0 when the bin is small; 0 for an empty one."""
    smoothed_bads = bads + 2.0 * _SMOOTHING * prior
    smoothed_goods = loans - bads + 2.0 * _SMOOTHING * (1.0 - prior)
    return float(np.log(smoothed_bads / smoothed_goods) - np.log(prior / (1.0 - prior)))
