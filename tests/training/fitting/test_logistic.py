import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from instant_credit.training.fitting.logistic import fit_logistic


def invent(loans: int, columns: int, seed: int):
    chance = np.random.default_rng(seed)
    design = chance.normal(size=(loans, columns))
    odds = design @ chance.normal(size=columns) - 1
    labels = (chance.random(loans) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    labels[:2] = 0, 1
    return design, labels, chance.uniform(0.1, 2, loans)


@given(st.integers(40, 300), st.integers(1, 4), st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 10.0]))
def test_the_likelihood_less_the_penalty_is_greatest(loans, columns, seed, ridge):
    design, labels, weights = invent(loans, columns, seed)
    intercept, coefficients = fit_logistic(design, labels, weights, ridge=ridge)
    errors = weights * (1 / (1 + np.exp(-(intercept + design @ coefficients))) - labels)
    assert np.abs(design.T @ errors + ridge * coefficients).max() < 1e-6 * loans
    assert abs(errors.sum()) < 1e-6 * loans


def test_without_a_penalty_a_share_of_both_kinds_has_its_log_odds():
    design = np.repeat(np.array([[0.0], [1.0]]), 2, axis=0)
    labels = np.array([1, 0, 1, 0], dtype=np.int8)
    weights = np.array([0.2, 0.8, 0.6, 0.4])
    intercept, coefficients = fit_logistic(design, labels, weights, ridge=0.0)
    assert intercept == pytest.approx(np.log(0.2 / 0.8))
    assert intercept + coefficients[0] == pytest.approx(np.log(0.6 / 0.4))


def test_the_number_of_threads_has_no_part_in_the_fit():
    design, labels, weights = invent(50_000, 12, 3)
    found = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            intercept, coefficients = fit_logistic(design, labels, weights, ridge=1.0)
        found.append((intercept, coefficients.tobytes()))
    assert found[0] == found[1]
