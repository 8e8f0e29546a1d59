import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.product import Direction
from instant_credit.errors import Refused
from instant_credit.training.dataset import ModelColumns
from instant_credit.training.fitting.fit import SIGNS
from instant_credit.training.fitting.scorecard import bin_variable, fit_scorecard
from instant_credit.training.intervals import measure_auc
from tests.naive.binning import moves, naive_information
from tests.training.loans import COLUMNS, invent_matrix

MATRIX, LABELS = invent_matrix(3_000)
CARD = fit_scorecard(MATRIX, LABELS, COLUMNS)
NUMBER = {d: ModelColumns(names=("x",), directions=(d,), categories=((),)) for d in Direction}


@st.composite
def column(draw):
    loans = draw(st.integers(2, 200))
    chance = np.random.default_rng(draw(st.integers(0, 10_000)))
    values = chance.integers(0, draw(st.integers(1, 60)), loans).astype(np.float32)
    values[chance.random(loans) < draw(st.sampled_from([0.0, 0.2, 1.0]))] = np.nan
    labels = (chance.random(loans) < 0.3).astype(np.int8)
    labels[:2] = 0, 1
    return values, labels


@given(column(), st.sampled_from([Direction.INCREASING, Direction.DECREASING]))
def test_bad_rates_of_bins_move_in_the_direction(loans, direction):
    values, labels = loans
    binned = bin_variable(values, labels, NUMBER[direction], 0)
    known = ~np.isnan(values)
    bins = np.searchsorted(binned.edges, values[known])
    rates = [labels[known][bins == one].mean() for one in range(len(binned.weights)) if (bins == one).any()]
    assert (SIGNS[direction] * np.diff(rates) >= -1e-12).all()


@given(column(), st.sampled_from(list(Direction)))
def test_every_value_has_a_finite_weight(loans, direction):
    values, labels = loans
    binned = bin_variable(values, labels, NUMBER[direction], 0)
    probes = np.array([np.nan, -1e30, -1, 0, 5, 1e30], dtype=np.float32)
    assert np.isfinite(binned.weigh(probes)).all()
    assert (np.diff(binned.edges) > 0).all()
    assert len(binned.edges) == len(binned.weights) - 1
    assert binned.information >= -1e-12


def test_a_weight_is_the_log_odds_of_the_bin_less_that_of_all():
    values = np.repeat(np.array([0, 1], dtype=np.float32), 5_000)
    labels = np.concatenate([np.arange(5_000) % 10 == 0, np.arange(5_000) % 4 == 0]).astype(np.int8)
    binned = bin_variable(values, labels, NUMBER[Direction.INCREASING], 0)
    prior = np.log(0.175 / 0.825)
    assert binned.weights == pytest.approx([np.log(1 / 9) - prior, np.log(1 / 3) - prior], abs=1e-3)


def test_coefficients_are_above_zero_and_useless_variables_out():
    assert min(CARD.coefficients) > 0
    assert {v.name for v in CARD.variables} == {"amount", "income", "inquiries_seen", "default_age", "purpose"}


def test_the_card_ranks_loans_it_did_not_see():
    matrix, labels = invent_matrix(3_000, seed=5)
    assert measure_auc(CARD.score(matrix), labels).low > 0.6


def test_the_mean_pd_of_the_card_is_the_bad_rate():
    assert (1 / (1 + np.exp(-CARD.score(MATRIX)))).mean() == pytest.approx(LABELS.mean(), abs=1e-6)


def test_two_fits_give_the_same_card():
    again = fit_scorecard(MATRIX.copy(), LABELS.copy(), COLUMNS)
    assert again.coefficients == CARD.coefficients
    assert again.score(MATRIX).tobytes() == CARD.score(MATRIX).tobytes()


def test_loans_that_nothing_tells_apart_are_refused():
    matrix = np.zeros((100, len(COLUMNS.names)), dtype=np.float32)
    with pytest.raises(Refused, match="no variable"):
        fit_scorecard(matrix, (np.arange(100) % 4 == 0).astype(np.int8), COLUMNS)


@pytest.mark.parametrize("label", [0, 1])
def test_one_kind_of_loans_is_refused(label):
    with pytest.raises(Refused, match="good and bad"):
        fit_scorecard(MATRIX, np.full(len(LABELS), label, dtype=np.int8), COLUMNS)


def test_categories_of_like_risk_share_a_weight():
    chance = np.random.default_rng(3)
    codes = chance.integers(-1, 60, 20_000).astype(np.float32)
    risks = np.where(codes % 3 == 0, 0.4, 0.1)
    labels = (chance.random(20_000) < risks).astype(np.int8)
    names = tuple(f"c{code}" for code in range(61))
    columns = ModelColumns(names=("x",), directions=(Direction.FREE,), categories=(names,))
    binned = bin_variable(codes, labels, columns, 0)
    assert len(binned.weights) == 61
    assert len(np.unique(binned.weights)) <= 10
    assert binned.weights[0:60:3].min() > binned.weights[1:60:3].max()
    assert np.isfinite(binned.weigh(np.array([-1, 0, 60], dtype=np.float32))).all()


def test_weights_of_the_card_stand_for_loans():
    weights = np.where(LABELS == 1, 1.0, 4.0)
    card = fit_scorecard(MATRIX, LABELS, COLUMNS, weights)
    pds = 1 / (1 + np.exp(-card.score(MATRIX)))
    assert np.average(pds, weights=weights) == pytest.approx(np.average(LABELS, weights=weights), abs=1e-6)
    equal = fit_scorecard(MATRIX, LABELS, COLUMNS, np.full(len(LABELS), 7.0))
    assert equal.coefficients == CARD.coefficients


def test_only_kept_variables_have_a_part_in_the_card():
    kept = np.array([name in {"amount", "purpose"} for name in COLUMNS.names])
    card = fit_scorecard(MATRIX, LABELS, COLUMNS, kept=kept)
    assert {v.name for v in card.variables} == {"amount", "purpose"}


@given(column(), st.sampled_from([Direction.INCREASING, Direction.DECREASING]), st.integers(0, 1_000))
def test_a_directed_weight_never_moves_against_it_whatever_the_loans_weigh(loans, direction, seed):
    values, labels = loans
    weights = np.random.default_rng(seed).uniform(0.1, 20.0, len(labels))
    binned = bin_variable(values, labels, NUMBER[direction], 0, weights)
    assert (SIGNS[direction] * np.diff(binned.weights) >= 0.0).all()


@given(st.integers(0, 10_000), st.sampled_from([Direction.INCREASING, Direction.DECREASING]))
def test_bins_tell_no_less_than_equal_shares_of_the_values_would(seed, direction):
    chance = np.random.default_rng(seed)
    values = chance.exponential(1.0, 4_000).astype(np.float32)
    labels = (chance.random(4_000) < 0.1 + 0.2 * chance.random() * values / values.max()).astype(np.int8)
    binned = bin_variable(values, labels, NUMBER[direction], 0)
    for count in (2, 4, 5, 8, 10):
        cuts = np.quantile(values, np.arange(1, count) / count, method="inverted_cdf")
        bins = np.searchsorted(cuts, values, side="left")
        bads, goods = (np.bincount(bins[labels == kind], minlength=count).astype(float) for kind in (1, 0))
        totals = (float(goods.sum()), float(bads.sum()))
        if min(bads.min(), goods.min()) >= 5 and moves(
            list(zip(goods, bads, strict=False)), (SIGNS[direction],), totals
        ):
            equal = sum(naive_information(*one, totals) for one in zip(goods, bads, strict=True))
            assert binned.information >= equal - 1e-9
