"""Estimates from sufficient statistics equal those from the rows."""

import math
from statistics import fmean, variance

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import astuple

from instant_credit.experiment.sums import SUMS_FIELDS, Sums, adjust_many, estimate, estimate_adjusted, estimate_many
from tests.budget import examples
from tests.naive import sums as naive

# Sizes of households, values in whole cents, covariates in steps of a thousandth.
UNIT = st.tuples(st.integers(1, 5), st.integers(-5_000, 5_000), st.integers(0, 1_000).map(lambda x: x / 1_000))
UNITS = st.lists(UNIT, min_size=2, max_size=25)


def sums_of(units):
    total = Sums()
    for s, y, x in units:
        total += Sums(units=1, s=s, y=y, x=x, ss=s * s, sy=s * y, sx=s * x, yy=y * y, yx=y * x, xx=x * x)
    return total


@examples(60)
@given(UNITS)
def test_an_estimate_from_sums_is_that_from_the_rows(units) -> None:
    found, (mean, spread) = estimate(sums_of(units)), naive.mean_and_variance(units)
    assert found.units == len(units)
    assert found.mean == pytest.approx(mean, rel=1e-9, abs=1e-9)
    assert found.variance == pytest.approx(spread, rel=1e-6, abs=1e-6)


@examples(60)
@given(st.lists(UNITS, min_size=1, max_size=4))
def test_an_adjusted_estimate_from_sums_is_that_from_the_rows(by_arm) -> None:
    spreads = [sum((x - s * fmean(x for _, _, x in u)) ** 2 for s, _, x in u) for u in by_arm]
    assume(max(spreads) > 1e-3)
    for found, (mean, spread) in zip(
        estimate_adjusted([sums_of(units) for units in by_arm]), naive.adjusted(by_arm), strict=True
    ):
        assert found.mean == pytest.approx(mean, rel=1e-6, abs=1e-4)
        assert found.variance == pytest.approx(spread, rel=1e-4, abs=1e-3)


@examples(30)
@given(st.lists(st.integers(-1_000, 1_000), min_size=2, max_size=40))
def test_units_of_size_one_give_the_plain_mean_and_variance(values) -> None:
    found = estimate(sums_of([(1, y, 0.0) for y in values]))
    assert found.mean == pytest.approx(fmean(values))
    assert found.variance == pytest.approx(variance(values) / len(values), rel=1e-9, abs=1e-9)


@examples(30)
@given(UNITS, UNITS)
def test_sums_of_two_parts_estimate_their_union(left, right) -> None:
    parts, whole = estimate(sums_of(left) + sums_of(right)), estimate(sums_of(left + right))
    assert parts.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-9)
    assert parts.variance == pytest.approx(whole.variance, rel=1e-6, abs=1e-6)


@examples(30)
@given(st.lists(st.lists(UNITS, min_size=3, max_size=3), min_size=1, max_size=5))
def test_one_look_gives_the_bytes_of_many(looks) -> None:
    sums = [[sums_of(units) for units in by_arm] for by_arm in looks]
    moments = np.array([[astuple(each) for each in by_arm] for by_arm in sums])
    for many, one in ((estimate_many, None), (adjust_many, estimate_adjusted)):
        _, means, variances = many(moments)
        for look, by_arm in enumerate(sums):
            singly = one(by_arm) if one else tuple(estimate(each) for each in by_arm)
            assert [each.mean for each in singly] == means[look].tolist()
            assert [each.variance for each in singly] == variances[look].tolist()


def households(seed: int, arms: int = 2, count: int = 400):
    """By arm, units of several applications: sizes, and rows of (arm, unit, value, covariate)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows, by_arm = [], []
    for arm in range(arms):
        units = []
        for unit in range(count):
            size, common = int(rng.integers(1, 4)), rng.normal()
            xs = 0.5 * common + rng.normal(size=size)
            ys = 0.3 * arm + xs + common + rng.normal(size=size)
            rows += [(arm, arm * count + unit, y, x) for y, x in zip(ys, xs, strict=True)]
            units.append((size, float(ys.sum()), float(xs.sum())))
        by_arm.append(units)
    return np.array(rows), by_arm


def test_households_have_the_cluster_robust_variance_of_statsmodels() -> None:
    rows, by_arm = households(1)
    design = np.column_stack([rows[:, 0] == 0, rows[:, 0] == 1]).astype(float)
    groups = {"groups": rows[:, 1].astype(int), "use_correction": False}
    fit = sm.OLS(rows[:, 2], design).fit(cov_type="cluster", cov_kwds=groups)
    for arm, units in enumerate(by_arm):
        found = estimate(sums_of(units))
        assert found.mean == pytest.approx(fit.params[arm], rel=1e-9)
        assert found.variance == pytest.approx(fit.bse[arm] ** 2 * len(units) / (len(units) - 1), rel=1e-9)


def test_a_covariate_gives_the_regressions_difference_and_about_its_robust_variance() -> None:
    _, by_arm = households(2)
    single = [[(1, y, x) for _, y, x in units] for units in by_arm]
    arm = np.repeat([0.0, 1.0], [len(units) for units in single])
    values = np.array([y for units in single for _, y, _ in units])
    covariate = np.array([x for units in single for _, _, x in units])
    fit = sm.OLS(values, np.column_stack([np.ones_like(arm), arm, covariate])).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(len(arm))}
    )
    control, treated = estimate_adjusted([sums_of(units) for units in single])
    assert treated.mean - control.mean == pytest.approx(fit.params[1], rel=1e-9)
    # The regression counts the slope as one more that was estimated, and its own uncertainty.
    assert treated.variance + control.variance == pytest.approx(fit.bse[1] ** 2, rel=0.01)
    plain = [estimate(sums_of(units)).variance for units in single]
    assert treated.variance + control.variance < 0.7 * sum(plain)


def test_the_adjustment_of_households_lowers_the_variance_and_keeps_the_difference() -> None:
    found = []
    for seed in range(60):
        _, by_arm = households(seed, count=120)
        sums = [sums_of(units) for units in by_arm]
        adjusted, plain = estimate_adjusted(sums), [estimate(each) for each in sums]
        assert sum(a.variance for a in adjusted) < sum(p.variance for p in plain)
        found.append(((adjusted[1].mean - adjusted[0].mean) - 0.3) / math.sqrt(sum(a.variance for a in adjusted)))
    assert abs(fmean(found)) < 0.4
    assert 0.7 < math.sqrt(variance(found)) < 1.3


@pytest.mark.parametrize("sums", [Sums(), sums_of([(1, 5, 0.5)]), Sums(units=3)])
def test_without_two_units_or_any_application_there_is_no_estimate(sums) -> None:
    for found in (
        estimate(sums),
        *estimate_adjusted([sums]),
        estimate_adjusted([sums_of([(1, 1, 0), (1, 3, 1)]), sums])[1],
    ):
        assert found.units == sums.units
        assert math.isnan(found.mean)
        assert math.isnan(found.variance)


def test_an_arm_without_an_estimate_leaves_the_others_adjusted_as_without_it() -> None:
    _, by_arm = households(3, count=50)
    sums = [sums_of(units) for units in by_arm]
    assert estimate_adjusted([*sums, Sums()])[:2] == estimate_adjusted(sums)


def test_a_covariate_that_does_not_vary_changes_nothing() -> None:
    by_arm = [[(1, y, 0.3) for y in (1, 5, 9)], [(1, y, 0.3) for y in (2, 2, 8, 4)]]
    for found, units in zip(estimate_adjusted([sums_of(units) for units in by_arm]), by_arm, strict=True):
        assert found == estimate(sums_of(units))


def test_no_arms_have_no_estimates() -> None:
    assert estimate_adjusted([]) == ()
    assert len(SUMS_FIELDS) == 10
