import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.training.intervals import measure_auc
from instant_credit.training.report.ranking import measure_ranking
from tests.budget import examples


def _naive(scores, labels, weights):
    """Every pair of a bad and a good loan, counted by both weights, ties half."""
    total = won = 0.0
    for i in np.flatnonzero(labels == 1):
        for j in np.flatnonzero(labels == 0):
            pair = weights[i] * weights[j]
            total += pair
            won += pair * (1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0)
    return won / total


@examples(50)
@given(st.integers(0, 2**32 - 1))
def test_the_weighted_auc_equals_its_definition_by_pairs(seed):
    chance = np.random.default_rng(seed)
    scores = chance.integers(0, 6, 30).astype(float)
    labels = np.array([0, 0, 1, 1, *chance.integers(0, 2, 26)], dtype=np.int8)
    weights = chance.uniform(0.5, 5.0, 30)
    told = measure_ranking(scores, labels, weights)
    assert told.value == pytest.approx(_naive(scores, labels, weights))
    assert told.low <= told.value <= told.high


def test_equal_weights_give_delongs_interval():
    chance = np.random.default_rng(1)
    scores, labels = chance.normal(size=500).round(1), chance.integers(0, 2, 500).astype(np.int8)
    ours, delong = measure_ranking(scores, labels, np.full(500, 3.0)), measure_auc(scores, labels)
    assert (ours.value, ours.low, ours.high) == pytest.approx((delong.value, delong.low, delong.high))
    assert measure_ranking(scores, labels, None) == delong


def test_the_interval_is_as_wide_as_the_bootstraps():
    chance = np.random.default_rng(2)
    labels = (chance.random(2_000) < 0.3).astype(np.int8)
    scores = 1 / (1 + np.exp(-chance.normal(size=2_000) - labels))
    weights = np.where(chance.random(2_000) < 0.2, 6.0, 1.0)
    ours, bootstrap = measure_ranking(scores, labels, weights), measure_auc(scores, labels, weights)
    assert ours.value == pytest.approx(bootstrap.value)
    assert ours.high - ours.low == pytest.approx(bootstrap.high - bootstrap.low, rel=0.12)
