"""The scorecard beside the model, as people read scorecards: points for each bin of each variable.

A loan's points are the base plus the points of its bins, on the scale of the model's points: `points_to_double` more double the odds of
repayment. Points are told to one decimal; rounding each bin to whole points would be another scorecard than the one that was tested.

Source: Siddiqi (2017), "Intelligent Credit Scoring", scorecard scaling.
"""

import math
from itertools import pairwise

from msgspec import Struct

from instant_credit.training.fitting.scorecard import BinnedVariable
from instant_credit.training.workshop import Training


class BinTold(Struct, frozen=True, kw_only=True):
    """A bin of the scorecard: `weight` is its log-odds of default less that of all loans, `points` what a loan in it gets."""

    values: str
    weight: float
    points: float


class ScorecardVariable(Struct, frozen=True, kw_only=True):
    """A variable of the scorecard."""

    name: str
    coefficient: float
    information: float
    bins: tuple[BinTold, ...]


class ScorecardTold(Struct, frozen=True, kw_only=True):
    """Base points and what the bins add. `intercept` is of the raw score (log-odds of default), before calibration."""

    base_points: float
    intercept: float
    variables: tuple[ScorecardVariable, ...]


def tell_scorecard(training: Training) -> ScorecardTold:
    """The final scorecard in points."""
    scorecard, calibration, scale = training.scorecard, training.scorecard_tested.calibration, training.bundle.scale
    factor = scale.points_to_double / math.log(2.0)
    log_odds = calibration.intercept + calibration.slope * scorecard.intercept
    return ScorecardTold(
        base_points=scale.points - factor * (log_odds + math.log(scale.odds)),
        intercept=scorecard.intercept,
        variables=tuple(
            ScorecardVariable(
                name=variable.name,
                coefficient=coefficient,
                information=variable.information,
                bins=_list_bins(
                    variable,
                    training.training_set.columns.categories[variable.position],
                    -factor * calibration.slope * coefficient,
                ),
            )
            for variable, coefficient in zip(scorecard.variables, scorecard.coefficients, strict=True)
        ),
    )


def _list_bins(variable: BinnedVariable, categories: tuple[str, ...], points_a_weight: float) -> tuple[BinTold, ...]:
    weights = [*variable.weights.tolist(), variable.missing_weight]
    return tuple(
        BinTold(values=name, weight=float(weight), points=float(weight) * points_a_weight)
        for name, weight in zip((*_name_bins(variable, categories), "missing"), weights, strict=True)
    )


def _name_bins(variable: BinnedVariable, categories: tuple[str, ...]) -> list[str]:
    if variable.is_category:
        return list(categories)
    if not len(variable.edges):
        return ["any value"]
    edges = [f"{float(edge):,.6g}" for edge in variable.edges]
    between = [f"above {low} up to {high}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]}", *between, f"above {edges[-1]}"]
