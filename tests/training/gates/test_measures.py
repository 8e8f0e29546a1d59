"""The figures of the gates against slow twins, other libraries and what is known to be true."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from instant_credit.training.gates.calibrating import is_beyond
from instant_credit.training.gates.contest import is_thin
from instant_credit.training.gates.discrimination import find_p_value
from instant_credit.training.gates.fairness import measure_mean_difference, measure_ratio
from instant_credit.training.gates.leakage import measure_alone, subtract
from instant_credit.training.gates.profit import find_chances, keep_ledger, measure_mean
from instant_credit.training.gates.reasons import pick_riskiest
from instant_credit.training.gates.redeciding import Answers, RecordedCases, Redecided
from instant_credit.training.intervals import Measured, measure_auc_difference
from tests.budget import examples
from tests.naive import intervals as naive
from tests.training.gates.worlds import PLACE, STANDARD, make_world, take


def scored(draw, count):
    """Labels with at least two of either kind, and two scores with ties."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = chance.permutation(np.r_[1, 1, 0, 0, chance.integers(0, 2, count)]).astype(np.int8)
    one, other = (np.round(chance.normal(size=count + 4) + labels, 1) for _ in range(2))
    return labels, one, other


@examples(25)
@given(st.data())
def test_the_paired_difference_is_that_of_every_pair_of_loans(data):
    labels, one, other = scored(data.draw, 30)
    found = measure_auc_difference(one, other, labels)
    deviation = naive.auc_difference_deviation(one, other, labels)
    assert found.value == pytest.approx(naive.auc(one, labels) - naive.auc(other, labels), abs=1e-12)
    if found.low > -1.0 and found.high < 1.0:
        assert found.high - found.low == pytest.approx(2 * stats.norm.ppf(0.975) * deviation, abs=1e-9)


def test_the_paired_interval_is_that_of_a_bootstrap():
    chance = np.random.default_rng(4)
    labels = (chance.random(3_000) < 0.2).astype(np.int8)
    base = chance.normal(size=3_000) + labels
    one, other = base + chance.normal(size=3_000) * 0.5, base + chance.normal(size=3_000)
    found = measure_auc_difference(one, other, labels)
    weighted = measure_auc_difference(one, other, labels, np.r_[1.0 + 1e-12, np.ones(2_999)])
    assert weighted.low == pytest.approx(found.low, abs=0.003)
    assert weighted.high == pytest.approx(found.high, abs=0.003)


def test_chance_differences_have_small_p_values_as_rarely_as_they_should():
    small = 0
    for seed in range(200):
        chance = np.random.default_rng(seed)
        labels = (chance.random(300) < 0.3).astype(np.int8)
        base = chance.normal(size=300) + labels
        one, other = (base + chance.normal(size=300) for _ in range(2))
        small += find_p_value(measure_auc_difference(one, other, labels)) < 0.05
    assert 0.01 <= small / 200 <= 0.10


def test_two_scores_that_are_the_same_do_not_differ():
    assert find_p_value(Measured(value=0.0, low=0.0, high=0.0)) == 1.0
    assert find_p_value(Measured(value=0.1, low=0.1, high=0.1)) == 0.0


def test_a_ratio_of_shares_has_the_interval_of_scipy():
    found = measure_ratio(60 / 200, 200, 120 / 300, 300)
    other = stats.contingency.relative_risk(60, 200, 120, 300)
    interval = other.confidence_interval(0.95)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((other.relative_risk, interval.low, interval.high))


def test_a_ratio_to_nobody_is_not_told_and_one_of_nobody_is_0():
    assert measure_ratio(0.5, 100, 0.0, 100) is None
    nobody = measure_ratio(0.0, 100, 0.5, 100)
    assert nobody is not None
    assert (nobody.value, nobody.low) == (0.0, 0.0)
    assert 0.0 < nobody.high < 0.2


def test_a_mean_difference_is_cohens_and_its_interval_holds_the_truth_95_times_in_100():
    held = 0
    for seed in range(200):
        chance = np.random.default_rng(seed)
        own, other = chance.normal(0.4, 1.0, 120), chance.normal(0.0, 1.0, 200)
        found = measure_mean_difference(own, np.ones(120), other, np.ones(200))
        assert found is not None
        held += found.low <= 0.4 <= found.high
        pooled = math.sqrt((119 * own.var(ddof=1) + 199 * other.var(ddof=1)) / 318)
        assert found.value == pytest.approx((own.mean() - other.mean()) / pooled)
    assert 0.90 <= held / 200 <= 0.99


def test_a_mean_difference_of_equal_or_lonely_scores_is_not_told():
    assert measure_mean_difference(np.ones(5), np.ones(5), np.ones(5), np.ones(5)) is None
    assert measure_mean_difference(np.ones(1), np.ones(1), np.ones(5), np.ones(5)) is None


def test_the_mean_of_paired_differences_is_students_for_many():
    values = np.random.default_rng(1).normal(3.0, 10.0, 5_000)
    found = measure_mean(values, np.ones(5_000))
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-3)


def test_what_a_variable_tells_by_itself_shows_whatever_its_shape():
    world = make_world()
    fit, test = take(world, np.arange(2_500)).loans, take(world, np.arange(2_500, 4_000)).loans
    alone = {name: measure_alone(fit, test, PLACE[name]).value for name in ("use_of_lines", "distance_seen", "purpose")}
    assert alone["use_of_lines"] > 0.6
    assert 0.44 < alone["distance_seen"] < 0.56
    assert alone["purpose"] > 0.5


def test_a_variable_that_is_missing_where_loans_went_bad_is_found_out():
    world = make_world()
    matrix = world.loans.matrix.copy()
    matrix[world.loans.labels == 1, PLACE["fees_seen"]] = np.nan
    loans = type(world.loans)(
        **{f: getattr(world.loans, f) for f in world.loans.__struct_fields__} | {"matrix": matrix}
    )
    assert (
        measure_alone(loans.take(np.arange(2_500)), loans.take(np.arange(2_500, 4_000)), PLACE["fees_seen"]).value
        > 0.99
    )


def test_differences_of_samples_apart_add_their_variances():
    gap = subtract(Measured(value=0.8, low=0.77, high=0.83), Measured(value=0.7, low=0.66, high=0.74))
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.1, 0.05, 0.15))


def test_an_interval_is_beyond_a_limit_only_as_a_whole():
    assert is_beyond(Measured(value=0.5, low=0.3, high=0.7), -0.25, 0.25)
    assert not is_beyond(Measured(value=0.5, low=0.2, high=0.8), -0.25, 0.25)
    assert is_beyond(Measured(value=-0.5, low=-0.7, high=-0.3), -0.25, 0.25)


def test_the_riskiest_fifth_is_picked():
    raws = np.random.default_rng(2).normal(size=1_000)
    rows = pick_riskiest(raws)
    assert len(rows) == 200
    assert raws[rows].min() >= np.quantile(raws, 0.79)


def answers_of(amounts, interests, months, pds):
    amounts = np.array(amounts, dtype=float)
    return Answers(
        is_offered=amounts > 0,
        pds=np.array(pds, dtype=float),
        amounts=amounts,
        interests=np.array(interests, dtype=float),
        months=np.array(months, dtype=float),
    )


def redecided_of(labels, own, champion):
    recorded = RecordedCases(cases=(), labels=np.array(labels, dtype=np.int8), weights=np.ones(len(labels)))
    return Redecided(
        recorded=recorded,
        policy_hash="a" * 64,
        is_priced=True,
        asked=np.ones(len(labels)),
        candidate=own,
        champion=champion,
    )


def test_a_known_outcome_counts_and_otherwise_the_champions_pd():
    own = answers_of([1, 1, 1, 0], [0] * 4, [1] * 4, [0.1, 0.1, 0.1, np.nan])
    champion = answers_of([1, 1, 1, 0], [0] * 4, [1] * 4, [0.3, 0.3, np.nan, np.nan])
    assert find_chances(redecided_of([1, -1, -1, -1], own, champion)).tolist() == [1.0, 0.3, 0.1, 0.0]
    assert find_chances(redecided_of([0, -1, -1, -1], own, None)).tolist() == [0.0, 0.1, 0.1, 0.0]


def test_profit_is_interest_less_loss_and_cost():
    answers = answers_of([100_000, 100_000, 0], [20_000, 20_000, 0], [23, 23, 0], [0.1, 0.1, 0.1])
    ledger = keep_ledger(answers, np.array([0.0, 1.0, 0.5]), np.full(3, 0.6), STANDARD.profit)
    assert ledger.losses.tolist() == [0.0, 60_000.0, 0.0]
    assert ledger.profits.tolist() == pytest.approx([20_000 - 8_000, -60_000 - 8_000, 0.0])


def test_few_loans_of_either_kind_are_thin():
    loans = make_world().loans
    assert not is_thin(loans, STANDARD)
    assert is_thin(loans.take(np.flatnonzero(loans.labels == 0)), STANDARD)
