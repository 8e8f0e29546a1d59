"""What pds are expected to show, and what ripe labels show: against slow twins, scikit-learn and repeated draws."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from instant_credit.errors import BrokenInvariant
from instant_credit.outcome.estimates import (
    Ripened,
    bad_rate_chance,
    calibration_chance,
    count_ripened,
    estimate_auc,
    list_bands,
    measure_auc,
    merge_ripened,
)
from instant_credit.outcome.labels import Label
from instant_credit.outcome.sketches import GRID_PPM
from instant_credit.training.intervals import NORMAL_POINT
from instant_credit.training.intervals import measure_auc as measure_auc_exactly
from tests.budget import examples
from tests.naive import sketches as naive
from tests.outcome.drifting import QUIET, draw, refer, ripen, sketch

# One pd in each step, so that the grid ties only equals.
steps = st.sampled_from([(low + high) // 2 for low, high in pairwise(GRID_PPM)][::10])


def grid_of(pds_ppm: list[int]) -> tuple[list[int], list[int]]:
    told = np.array(pds_ppm, dtype=np.int64)
    ripened = count_ripened(told, np.zeros(len(told), dtype=np.int8))
    return list(ripened.goods), list(ripened.pds_ppm)


@examples(50)
@given(st.lists(steps, min_size=2, max_size=30))
def test_the_expected_auc_equals_comparing_every_pair(pds_ppm: list[int]) -> None:
    found = estimate_auc(*grid_of(pds_ppm))
    assert found is not None
    assert found.value == pytest.approx(naive.estimate_auc([pd / 1e6 for pd in pds_ppm]), abs=1e-12)


@examples(50)
@given(st.lists(st.tuples(steps, st.booleans()), min_size=4, max_size=60))
def test_the_auc_shown_is_scikit_learns_with_delongs_deviation(rows) -> None:
    labels = np.array([is_bad for _, is_bad in rows], dtype=np.int8)
    assume(2 <= labels.sum() <= len(labels) - 2)
    pds_ppm = np.array([pd for pd, _ in rows], dtype=np.int64)
    found = measure_auc(count_ripened(pds_ppm, labels))
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(labels, pds_ppm), abs=1e-12)
    exact = measure_auc_exactly(pds_ppm.astype(np.float64), labels)
    assert min(1.0, found.value + NORMAL_POINT * found.deviation) == pytest.approx(exact.high, abs=1e-12)


def test_the_grid_costs_the_auc_less_than_a_tenth_of_its_deviation() -> None:
    applicants = draw(QUIET, np.random.default_rng(1), 5_000)
    found = measure_auc(count_ripened(applicants.decided.pds_ppm, applicants.labels))
    assert found is not None
    assert abs(found.value - roc_auc_score(applicants.labels, applicants.decided.pds_ppm)) < 0.1 * found.deviation


def test_the_expectation_is_met_on_average_and_its_deviation_is_the_one_seen() -> None:
    reference = refer(np.random.default_rng(1))
    expected, shown = [], []
    for seed in range(60):
        applicants = draw(QUIET, np.random.default_rng([2, seed]), 1_000)
        window = sketch(reference, applicants)
        expected.append(estimate_auc(window.grid, window.grid_pds_ppm))
        shown.append(measure_auc(count_ripened(applicants.decided.pds_ppm, applicants.labels)))
    values = np.array([one.value for one in expected])
    deviation = np.mean([one.deviation for one in expected])
    assert deviation == pytest.approx(values.std(ddof=1), rel=0.3)
    gap = np.mean([one.value for one in shown]) - values.mean()
    assert abs(gap) < 4.0 * np.mean([one.deviation for one in shown]) / math.sqrt(60)


def test_bands_hold_every_loan_and_expect_enough_each() -> None:
    ripened = ripen(draw(QUIET, np.random.default_rng(5), 4_000))
    bands = list_bands(ripened)
    assert 5 <= len(bands) <= 10
    assert sum(one.loans for one in bands) == ripened.loans
    assert sum(one.bads for one in bands) == sum(ripened.bads)
    assert all(5.0 <= one.bads_expected <= one.loans - 5.0 for one in bands)
    assert [one.pd_ppm_from for one in bands] == sorted({one.pd_ppm_from for one in bands})


def test_calibrated_pds_are_called_off_as_often_as_is_said() -> None:
    off = [0, 0]
    for seed in range(200):
        bands = list_bands(ripen(draw(QUIET, np.random.default_rng([7, seed]), 2_000)))
        off[0] += calibration_chance(bands) <= 0.05
        off[1] += bad_rate_chance(bands) <= 0.05
    assert all(2 <= count <= 22 for count in off), off


def test_nothing_is_told_of_too_few() -> None:
    nobody = count_ripened(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int8))
    assert estimate_auc(nobody.goods, nobody.pds_ppm) is None
    assert measure_auc(nobody) is None
    assert list_bands(nobody) == ()
    assert calibration_chance(()) == bad_rate_chance(()) == 1.0


def test_what_is_not_resolved_is_counted_apart_and_parts_add_up() -> None:
    labels = np.array([Label.GOOD, Label.BAD, Label.INDETERMINATE], dtype=np.int8)
    one = count_ripened(np.array([10_000, 20_000, 30_000]), labels, erased=2)
    assert (one.loans, one.unresolved, one.erased, sum(one.pds_ppm)) == (2, 1, 2, 30_000)
    both = merge_ripened(one, one)
    assert isinstance(both, Ripened)
    assert (both.loans, both.unresolved, both.erased, sum(both.pds_ppm)) == (4, 2, 4, 60_000)
    with pytest.raises(BrokenInvariant, match="has its label"):
        count_ripened(np.array([1]), labels)
