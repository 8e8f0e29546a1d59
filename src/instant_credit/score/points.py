"""Points: the score that people read. Higher is better; a fixed step doubles the odds of repayment."""

import math

from msgspec import Struct

from instant_credit.errors import Refused


class Scale(Struct, frozen=True, kw_only=True):
    """`points` at `odds` good to bad; `points_to_double` more double the odds; cut to [`minimum`, `maximum`].

    Source: Siddiqi (2017), "Intelligent Credit Scoring", scorecard scaling: score = offset + factor x ln(odds).
    """

    points: int = 600
    odds: float = 50.0
    points_to_double: float = 20.0
    minimum: int = 300
    maximum: int = 850

    def __post_init__(self) -> None:
        """The scale must rise with the odds of repayment and hold its anchor."""
        if not (math.isfinite(self.odds) and self.odds > 0.0):
            raise Refused("points scale: odds must be finite and above 0")
        if not (math.isfinite(self.points_to_double) and self.points_to_double > 0.0):
            raise Refused("points scale: points_to_double must be finite and above 0")
        if not self.minimum <= self.points <= self.maximum:
            raise Refused("points scale: points must lie between minimum and maximum")


def points_at(scale: Scale, log_odds: float) -> int:
    """Points of one applicant from the calibrated log-odds of default (`calibration.calibrate_log_odds`), half to even."""
    factor = scale.points_to_double / math.log(2.0)
    exact = scale.points + factor * (-log_odds - math.log(scale.odds))
    return round(min(max(exact, float(scale.minimum)), float(scale.maximum)))
