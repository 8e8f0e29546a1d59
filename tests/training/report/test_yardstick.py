import math

import numpy as np

from tests.training.report.told import REPORT
from tests.training.test_workshop import SET, TRAINING


def test_points_of_the_bins_add_up_to_the_calibrated_score():
    scorecard, calibration = TRAINING.scorecard, TRAINING.scorecard_tested.calibration
    rows = SET.matrix[:200]
    log_odds = calibration.intercept + calibration.slope * scorecard.score(rows)
    scale = TRAINING.bundle.scale
    expected = scale.points + scale.points_to_double / math.log(2) * (-log_odds - math.log(scale.odds))
    told = np.full(200, REPORT.scorecard_points.base_points)
    for variable, points in zip(scorecard.variables, REPORT.scorecard_points.variables, strict=True):
        by_weight = {round(one.weight, 9): one.points for one in points.bins}
        told += [by_weight[round(float(w), 9)] for w in variable.weigh(rows[:, variable.position])]
    assert np.abs(told - expected).max() < 1e-6


def test_riskier_bins_have_fewer_points():
    for variable in REPORT.scorecard_points.variables:
        for one in variable.bins:
            assert one.points == 0.0 or (one.points > 0) == (one.weight < 0)


def test_bins_of_the_scorecard_are_named():
    by_name = {one.name: one for one in REPORT.scorecard_points.variables}
    amount = by_name["amount"]
    assert amount.bins[0].values.startswith("up to ")
    assert amount.bins[-2].values.startswith("above ")
    assert amount.bins[-1].values == "missing"
