import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from instant_credit.errors import BrokenInvariant
from instant_credit.training import intervals
from instant_credit.training.intervals import (
    estimate_auc,
    list_deciles,
    measure_auc,
    measure_auc_difference,
    measure_bad_rate,
    measure_quality,
    trace_roc,
    wilson_interval,
)
from tests.naive import intervals as naive

Z = norm.ppf(0.975)


@st.composite
def scored_loans(draw, columns=1):
    """Scores with many ties, and labels of both kinds, at least two of each."""
    loans = draw(st.integers(4, 40))
    labels = [0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), min_size=loans - 4, max_size=loans - 4))]
    scores = st.lists(st.integers(1, 15).map(lambda k: k / 16), min_size=loans, max_size=loans)
    return np.array(labels, dtype=np.int8), *(np.array(draw(scores)) for _ in range(columns))


def invent(loans: int, seed: int = 3):
    chance = np.random.default_rng(seed)
    pds = chance.uniform(0.01, 0.5, loans)
    return pds, (chance.random(loans) < pds).astype(np.int8)


def estimate_ks(scores, labels, weights=None):
    """The KS alone: its interval takes no draws to speak of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "BOOTSTRAP_ROUNDS", 2)
        return measure_quality(scores, labels, weights).ks.value


@given(scored_loans())
def test_auc_counts_pairs(loans):
    labels, scores = loans
    assert measure_auc(scores, labels).value == pytest.approx(naive.auc(scores, labels), abs=1e-12)


@given(scored_loans(columns=2))
def test_the_interval_of_a_difference_is_delongs(loans):
    labels, scores, others = loans
    measured = measure_auc_difference(scores, others, labels)
    half = Z * naive.auc_difference_deviation(scores.tolist(), others.tolist(), labels.tolist())
    difference = naive.auc(scores, labels) - naive.auc(others, labels)
    assert measured.value == pytest.approx(difference, abs=1e-12)
    assert measured.low == pytest.approx(max(-1.0, difference - half), abs=1e-9)
    assert measured.high == pytest.approx(min(1.0, difference + half), abs=1e-9)


@given(scored_loans())
def test_the_interval_of_an_auc_is_delongs(loans):
    labels, scores = loans
    measured = measure_auc(scores, labels)
    half = Z * naive.auc_difference_deviation(scores.tolist(), [0.0] * len(scores), labels.tolist())
    assert measured.low == pytest.approx(max(0.0, measured.value - half), abs=1e-9)
    assert measured.high == pytest.approx(min(1.0, measured.value + half), abs=1e-9)


def test_a_score_does_not_differ_from_itself():
    pds, labels = invent(300)
    measured = measure_auc_difference(pds, pds, labels)
    assert (measured.value, measured.low, measured.high) == (0.0, 0.0, 0.0)


@given(scored_loans())
def test_ks_is_the_widest_gap(loans):
    labels, scores = loans
    assert estimate_ks(scores, labels) == pytest.approx(naive.ks(scores, labels), abs=1e-12)


def test_wilsons_interval_is_the_published_one():
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (events, trials), (low, high) in published.items():
        measured = wilson_interval(events, trials)
        assert (round(measured.low, 4), round(measured.high, 4)) == (low, high)


def test_a_share_of_nothing_is_a_bug():
    with pytest.raises(BrokenInvariant):
        wilson_interval(0, 0)


@given(scored_loans())
def test_deciles_hold_every_loan_once_in_rising_order(loans):
    labels, pds = loans
    deciles = list_deciles(pds, labels)
    assert sum(one.loans for one in deciles) == len(labels)
    assert sum(one.bads for one in deciles) == labels.sum()
    means = [one.pd_mean for one in deciles]
    assert means == sorted(means)
    assert max(one.loans for one in deciles) - min(one.loans for one in deciles) <= 1


@given(scored_loans())
def test_the_area_under_the_traced_curve_is_the_auc(loans):
    labels, scores = loans
    goods, bads = trace_roc(scores, labels)
    assert (goods[0], bads[0], goods[-1], bads[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(bads, goods) == pytest.approx(naive.auc(scores, labels), abs=1e-12)


def test_quality_holds_its_figures_inside_their_intervals():
    pds, labels = invent(2_000)
    quality = measure_quality(pds, labels)
    for measured in (quality.auc, quality.ks, quality.brier, quality.bad_rate):
        assert measured.low < measured.value < measured.high
    assert quality.brier.value == pytest.approx(np.mean((pds - labels) ** 2))
    assert quality.expected_to_observed == pytest.approx(1.0, abs=0.15)


def test_quality_is_the_same_every_time():
    pds, labels = invent(500)
    assert measure_quality(pds, labels) == measure_quality(pds.copy(), labels.copy())


def test_a_few_loans_of_one_kind_are_enough_for_an_interval():
    pds, labels = np.linspace(0.1, 0.9, 6), np.array([0, 0, 0, 0, 1, 1], dtype=np.int8)
    assert measure_quality(pds, labels).ks.value == 1.0


def test_intervals_of_an_auc_cover_the_truth_about_as_often_as_they_say():
    chance = np.random.default_rng(11)
    truth = norm.cdf(1 / np.sqrt(2))
    hits = 0
    for _ in range(400):
        labels = (np.arange(150) < 50).astype(np.int8)
        measured = measure_auc(chance.normal(labels, 1.0), labels)
        hits += measured.low <= truth <= measured.high
    assert 0.91 <= hits / 400 <= 0.98


@given(scored_loans(), st.floats(0.1, 900))
def test_equal_weights_give_the_unweighted_figures(loans, weight):
    labels, pds = loans
    weights = np.full(len(labels), weight)
    assert measure_auc(pds, labels, weights) == measure_auc(pds, labels)
    assert measure_auc_difference(pds, pds[::-1], labels, weights) == measure_auc_difference(pds, pds[::-1], labels)
    assert list_deciles(pds, labels, weights) == list_deciles(pds, labels)


def test_quality_under_equal_weights_is_the_unweighted_one():
    pds, labels = invent(400)
    assert measure_quality(pds, labels, np.full(400, 3.7)) == measure_quality(pds, labels)


@given(scored_loans(), st.integers(0, 1_000))
def test_a_weight_stands_for_so_many_loans(loans, seed):
    labels, scores = loans
    counts = np.random.default_rng(seed).integers(1, 5, len(labels))
    many = np.repeat(scores, counts), np.repeat(labels, counts)
    weights = counts.astype(np.float64)
    assert estimate_auc(scores, labels, weights) == pytest.approx(naive.auc(*many), abs=1e-12)
    assert estimate_ks(scores, labels, weights) == pytest.approx(naive.ks(*many), abs=1e-12)
    assert measure_bad_rate(labels, weights).value == pytest.approx(many[1].mean(), abs=1e-12)


def test_weighted_quality_is_that_of_the_loans_the_weights_stand_for():
    pds, labels = invent(900)
    counts = np.where(labels == 1, 1, 4)
    weighted = measure_quality(pds, labels, counts.astype(np.float64))
    many = measure_quality(np.repeat(pds, counts), np.repeat(labels, counts))
    for name in ("auc", "ks", "brier", "bad_rate"):
        assert getattr(weighted, name).value == pytest.approx(getattr(many, name).value, abs=1e-9)
    assert weighted.expected_to_observed == pytest.approx(many.expected_to_observed)
    assert (weighted.loans, weighted.bads) == (900, labels.sum())
    # The copies are no new loans: the intervals are wider than theirs.
    assert weighted.effective_loans < 900
    assert weighted.auc.high - weighted.auc.low > many.auc.high - many.auc.low


def test_weighted_deciles_hold_every_loan_once_and_equal_weight():
    pds, labels = invent(2_000)
    weights = np.random.default_rng(0).uniform(0.5, 8, 2_000)
    order = np.argsort(pds, kind="stable")
    deciles = list_deciles(pds, labels, weights)
    assert sum(one.loans for one in deciles) == 2_000
    ends = np.cumsum([one.loans for one in deciles])
    shares = np.diff(np.concatenate([[0.0], np.cumsum(weights[order])[ends - 1]])) / weights.sum()
    assert shares == pytest.approx(np.full(10, 0.1), abs=0.005)
    assert [one.pd_mean for one in deciles] == sorted(one.pd_mean for one in deciles)


def test_intervals_of_a_weighted_auc_cover_the_truth_about_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr(intervals, "BOOTSTRAP_ROUNDS", 200)
    chance = np.random.default_rng(12)
    truth = norm.cdf(1 / np.sqrt(2))
    hits = 0
    for _ in range(150):
        labels = (np.arange(200) < 80).astype(np.int8)
        weights = np.where(chance.random(200) < 0.5, 1.0, 5.0)
        measured = measure_auc(chance.normal(labels, 1.0), labels, weights)
        hits += measured.low <= truth <= measured.high
    assert 0.88 <= hits / 150 <= 0.99


def test_the_weighted_difference_is_paired():
    pds, labels = invent(600)
    noise = np.clip(pds + np.random.default_rng(1).normal(0, 0.01, 600), 0.001, 0.999)
    weights = np.where(labels == 1, 1.0, 5.0)
    measured = measure_auc_difference(pds, noise, labels, weights)
    alone = measure_auc(pds, labels, weights)
    assert measured.value == pytest.approx(alone.value - measure_auc(noise, labels, weights).value)
    assert measured.high - measured.low < 0.5 * (alone.high - alone.low)
    assert measure_auc_difference(pds, pds, labels, weights).high == 0.0


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_a_weight_that_stands_for_no_loans_is_a_bug(wrong):
    pds, labels = invent(50)
    weights = np.ones(50)
    weights[3] = wrong
    with pytest.raises(BrokenInvariant, match="weights"):
        measure_auc(pds, labels, weights)


def test_a_roc_is_traced_by_weight():
    pds, labels = invent(500)
    weights = np.where(labels == 1, 1.0, 6.0) * np.random.default_rng(2).uniform(0.5, 2, 500)
    goods, bads = trace_roc(pds, labels, 500, weights)
    assert np.trapezoid(bads, goods) == pytest.approx(estimate_auc(pds, labels, weights), abs=1e-9)
