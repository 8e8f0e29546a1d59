"""The scorecard beside the model: logistic regression over bins, as credit risk has long been scored.

    variable -> bins (those of largest information value whose bad rates move in the variable's direction) -> weight of evidence
    weights of evidence -> logistic regression with positive coefficients -> raw score

It is the yardstick that a tree model must beat to be worth its trouble, fitted on the same loans, calibrated and tested the same way.

Source: Siddiqi (2017), "Intelligent Credit Scoring".
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.training.dataset import ModelColumns
from instant_credit.training.fitting.binning import (
    ANY,
    FINE_BINS_MAX,
    FineBins,
    cut_finely,
    group_bins,
    group_freely,
    measure_information,
    sum_places,
    weigh_evidence,
)
from instant_credit.training.fitting.fit import SIGNS
from instant_credit.training.fitting.logistic import fit_logistic
from instant_credit.training.weights import relative_weights

INFORMATION_MIN: Final = 0.002
_RIDGE: Final = 1.0

Floats = NDArray[np.float64]


class BinnedVariable(Struct, frozen=True, kw_only=True, eq=False):
    """One variable in bins.

    Attributes
    ----------
    name, position : which column.
    edges : float32[k - 1], rising; bin i holds values above edge i - 1 up to and including edge i. Empty for a category.
    weights : float64[k], log-odds of default of each bin less that of all; by code for a category, whose bins share a weight.
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
    weights: Floats | None = None,
    *,
    kept: NDArray[np.bool_] | None = None,
) -> Scorecard:
    """Fit a scorecard.

    Parameters
    ----------
    matrix : float32[n, m] in the order of `columns`; NaN = missing, -1 for category codes.
    labels : int8[n], 1 = bad; both kinds must occur.
    weights : float64[n], above 0, of which only the ratios count; None = 1 each.
    kept : bool[m], the variables that may have a part; None = all.

    Raises
    ------
    Refused : no variable tells good loans from bad ones.
    """
    if not 0 < int(labels.sum()) < len(labels):
        raise Refused("fitting needs good and bad loans")
    weights = relative_weights(weights)
    positions = range(len(columns.names)) if kept is None else np.flatnonzero(kept).tolist()
    binned = [bin_variable(matrix[:, j], labels, columns, j, weights) for j in positions]
    chosen = [variable for variable in binned if variable.information >= INFORMATION_MIN]
    while chosen:
        evidence = np.column_stack([variable.weigh(matrix[:, variable.position]) for variable in chosen])
        intercept, coefficients = fit_logistic(evidence, labels, weights, ridge=_RIDGE)
        worst = int(coefficients.argmin())
        if coefficients[worst] > 0.0:
            return Scorecard(variables=tuple(chosen), coefficients=tuple(coefficients.tolist()), intercept=intercept)
        del chosen[worst]
    raise Refused("no variable tells good loans from bad ones")


def bin_variable(
    values: NDArray[np.float32],
    labels: NDArray[np.int8],
    columns: ModelColumns,
    position: int,
    weights: Floats | None = None,
) -> BinnedVariable:
    """Bins and weights of evidence of one column, float32[n]; both kinds of loan occur. Missing values are a bin of their own."""
    counted = np.ones(len(labels)) if weights is None else weights
    is_category = bool(columns.categories[position])
    is_missing = values < 0 if is_category else np.isnan(values)
    known = values[~is_missing]
    edges = np.empty(0, dtype=np.float32)
    if is_category:
        places = known.astype(np.int64)
    else:
        edges, places = cut_finely(known, counted[~is_missing])
    count = len(columns.categories[position]) if is_category else len(edges) + 1
    # Missing values stand last.
    every_place = np.full(len(values), count)
    every_place[~is_missing] = places
    piles = _pile(every_place, labels, counted, count + 1)
    fine = piles.take(slice(count))
    if is_category:
        evidence, known_information = _group_codes(fine)
    else:
        sign = SIGNS[columns.directions[position]]
        groups = group_bins(fine, (sign,)) if sign else group_freely(fine)
        edges, evidence, known_information = edges[groups.ends[:-1] - 1], groups.evidence, groups.information
    missing = (piles.goods[-1:], piles.bads[-1:], piles.good_total, piles.bad_total)
    return BinnedVariable(
        name=columns.names[position],
        position=position,
        is_category=is_category,
        edges=edges,
        weights=evidence,
        missing_weight=float(weigh_evidence(*missing)[0]),
        information=known_information + float(measure_information(*missing)[0]),
    )


def _pile(places: NDArray[np.int64], labels: NDArray[np.int8], weights: Floats, count: int) -> FineBins:
    """Loans in each of `count` places."""
    (good_shares, good_places), (bad_shares, bad_places) = ((weights[labels == k], places[labels == k]) for k in (0, 1))
    good_total, bad_total = float(good_shares.sum()), float(bad_shares.sum())
    return FineBins(
        goods=sum_places(good_places, good_shares, count),
        bads=sum_places(bad_places, bad_shares, count),
        good_loans=np.bincount(good_places, minlength=count),
        bad_loans=np.bincount(bad_places, minlength=count),
        good_total=good_total,
        bad_total=bad_total,
        chance=float(np.square(good_shares).sum()) / good_total**2 + float(np.square(bad_shares).sum()) / bad_total**2,
    )


def _group_codes(codes: FineBins) -> tuple[Floats, float]:
    """Weight of evidence of each code, float64[codes], and the information of their groups.

    Codes are ordered by their bad rate, those of little weight drawn to that of all; more than there are fine bins stand in fine bins.
    """
    order = np.argsort(weigh_evidence(codes.goods, codes.bads, codes.good_total, codes.bad_total), kind="stable")
    fine = np.arange(len(order))
    if len(order) > FINE_BINS_MAX:
        weights = (codes.goods + codes.bads)[order]
        shares = (np.cumsum(weights) - weights / 2.0) / max(float(weights.sum()), 1.0)
        fine = np.unique(np.minimum(shares * FINE_BINS_MAX, FINE_BINS_MAX - 1).astype(np.int64), return_inverse=True)[1]
    groups = group_bins(codes.take(order).merge(fine), ANY)
    evidence = np.empty(len(order))
    evidence[order] = groups.evidence[np.searchsorted(groups.ends, fine, side="right")]
    return evidence, groups.information
