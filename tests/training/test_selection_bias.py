"""Each variant does what its source says, in a seeded world whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.training.selection_bias import (
    Inference,
    Variant,
    augment_fuzzily,
    parcel,
    weight_by_exploration,
)

PARCELLING = Inference(variant=Variant.PARCELLING)
FUZZY = Inference(variant=Variant.FUZZY_AUGMENTATION)


class World:
    """Applicants whose default is known; who looks risky is approved seldom, by a chance that is known."""

    def __init__(self, applicants=40_000, seed=1):
        chance = np.random.default_rng(seed)
        self.facts = chance.normal(size=(applicants, 2))
        self.log_odds = -1.6 + 1.0 * self.facts[:, 0] + 0.5 * self.facts[:, 1]
        self.labels = (chance.random(applicants) < 1 / (1 + np.exp(-self.log_odds))).astype(np.int8)
        self.propensities = np.clip(1 / (1 + np.exp(2.5 * (self.facts[:, 0] - 0.3))), 0.02, 1.0)
        self.is_approved = chance.random(applicants) < self.propensities


WORLD = World()
BAD_RATE = float(WORLD.labels.mean())
APPROVED = WORLD.is_approved
ONES = np.ones(len(WORLD.labels))


def fit(facts, labels, weights=None):
    """Maximum likelihood, without a penalty."""
    return LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(facts, labels, sample_weight=weights)


def test_approved_loans_flatter_the_bad_rate_and_leave_a_right_model_right():
    """Hand and Henley (1993): where selection goes by the model's variables alone, the model of the approved is the model of all."""
    assert WORLD.labels[APPROVED].mean() < BAD_RATE - 0.05
    model = fit(WORLD.facts[APPROVED], WORLD.labels[APPROVED])
    assert model.coef_[0] == pytest.approx([1.0, 0.5], abs=0.08)
    assert model.intercept_[0] == pytest.approx(-1.6, abs=0.08)


def test_weights_of_exploration_give_the_means_of_all_who_applied():
    """Horvitz and Thompson (1952): over many draws of who is approved, the mean is that of all."""
    chance = np.random.default_rng(3)
    means = []
    for _ in range(60):
        approved = chance.random(len(WORLD.labels)) < WORLD.propensities
        weights = weight_by_exploration(ONES[approved], WORLD.propensities[approved])
        means.append(float((weights * WORLD.labels[approved]).sum()) / len(WORLD.labels))
    error = float(np.std(means)) / np.sqrt(len(means))
    assert abs(float(np.mean(means)) - BAD_RATE) < 4 * error
    assert error < 0.003


def test_weights_of_exploration_right_a_model_that_lacks_the_variable_that_selected():
    """Where selection goes by a variable that the model lacks, the approved alone mislead it, and weights do not."""
    weights = weight_by_exploration(ONES[APPROVED], WORLD.propensities[APPROVED])
    lacking = WORLD.facts[:, 1:]
    of_all = fit(lacking, WORLD.labels).predict_proba(lacking)[:, 1].mean()
    weighted = fit(lacking[APPROVED], WORLD.labels[APPROVED], weights).predict_proba(lacking)[:, 1].mean()
    approved = fit(lacking[APPROVED], WORLD.labels[APPROVED]).predict_proba(lacking)[:, 1].mean()
    assert abs(weighted - of_all) < 0.02
    assert approved < of_all - 0.05


def test_fuzzy_augmentation_leaves_a_logistic_fit_as_it_was():
    """Rejects at their own pd add nothing to the score equations of the likelihood (Crook and Banasik 2004 see the same in practice)."""
    model = fit(WORLD.facts[APPROVED], WORLD.labels[APPROVED])
    rejects = WORLD.facts[~APPROVED]
    inferred = augment_fuzzily(model.predict_proba(rejects)[:, 1], ONES[~APPROVED], FUZZY)
    again = fit(
        np.concatenate((WORLD.facts[APPROVED], rejects[inferred.rows])),
        np.concatenate((WORLD.labels[APPROVED], inferred.labels)),
        np.concatenate((ONES[APPROVED], inferred.weights)),
    )
    assert again.coef_[0] == pytest.approx(model.coef_[0], abs=1e-4)
    assert again.intercept_[0] == pytest.approx(model.intercept_[0], abs=1e-4)


def test_prudence_raises_the_pds_of_a_fuzzy_fit():
    model = fit(WORLD.facts[APPROVED], WORLD.labels[APPROVED])
    rejects = WORLD.facts[~APPROVED]
    pds = model.predict_proba(rejects)[:, 1]
    mean = float(pds.mean())
    inferred = augment_fuzzily(pds, ONES[~APPROVED], Inference(variant=Variant.FUZZY_AUGMENTATION, prudence=1.5))
    assert inferred.weights[inferred.labels == 1].sum() / len(rejects) > 1.3 * mean


def test_parcelling_gives_rejects_the_bad_rate_of_their_band():
    """Siddiqi (2017): within a band the rejects are bad as often as the approved, so over all of them nearly as often as in truth here."""
    model = fit(WORLD.facts[APPROVED], WORLD.labels[APPROVED])
    scores = model.decision_function(WORLD.facts)
    told = scores[APPROVED], WORLD.labels[APPROVED], scores[~APPROVED], ONES[~APPROVED]
    inferred = parcel(*told, PARCELLING, weights=ONES[APPROVED])
    truth = float(WORLD.labels[~APPROVED].mean())
    flattered = float(WORLD.labels[APPROVED].mean())
    assert flattered < inferred.labels.mean() < truth + 0.02
    edges = np.quantile(scores[APPROVED], np.arange(1, 20) / 20)
    for band in range(19):
        mine, theirs = (
            np.searchsorted(edges, part, side="right") == band for part in (scores[APPROVED], scores[~APPROVED])
        )
        expected = WORLD.labels[APPROVED][mine].mean() * theirs.sum()
        assert abs(inferred.labels[theirs].sum() - expected) <= 1


def test_parcelling_counts_each_approved_loan_by_its_weight():
    """Of a book that keeps one of ten good loans, each for ten, rejects get the bad rate of all its loans, not that of the sample."""
    labels = np.tile(np.array([1, 0], dtype=np.int8), 200)
    weights = np.where(labels == 1, 1.0, 10.0)
    inferred = parcel(np.zeros(400), labels, np.zeros(1_100), np.ones(1_100), PARCELLING, weights=weights)
    assert inferred.labels.sum() == pytest.approx(100, abs=1)


def test_parcelling_with_the_right_prudence_finds_the_bad_rate_that_selection_hid():
    """Where a hidden variable selected, rejects are worse than equal approved ones; the factor has to be known from elsewhere."""
    chance = np.random.default_rng(5)
    hidden = chance.normal(size=40_000)
    facts = chance.normal(size=40_000)
    labels = (chance.random(40_000) < 1 / (1 + np.exp(2.0 - 0.8 * facts - hidden))).astype(np.int8)
    approved = facts + hidden + chance.normal(size=40_000) < 0.5
    told = (facts[approved], labels[approved], facts[~approved], ONES[:40_000][~approved])
    truth = float(labels[~approved].mean())
    plain = float(parcel(*told, PARCELLING, weights=ONES[approved]).labels.mean())
    assert plain < 0.75 * truth
    prudence = Inference(variant=Variant.PARCELLING, prudence=truth / plain)
    prudent = parcel(*told, prudence, weights=ONES[approved])
    assert prudent.labels.mean() == pytest.approx(truth, rel=0.05)


@given(st.integers(0, 1_000), st.integers(0, 300), st.floats(1.0, 3.0))
def test_inferred_rows_stand_for_each_reject_once(seed, rejects, prudence):
    chance = np.random.default_rng(seed)
    weights = chance.uniform(0.5, 3.0, rejects)
    scores, labels = chance.integers(0, 9, 400).astype(float), (chance.random(400) < 0.3).astype(np.int8)
    told = Inference(variant=Variant.PARCELLING, prudence=prudence)
    rejected = chance.integers(-3, 12, rejects).astype(float)
    parcelled = parcel(scores, labels, rejected, weights, told, weights=np.ones(400))
    assert sorted(parcelled.rows.tolist()) == list(range(rejects))
    assert parcelled.weights.tolist() == weights.tolist()
    fuzzy = augment_fuzzily(chance.uniform(0, 1, rejects), weights, told)
    assert (fuzzy.weights > 0).all()
    assert np.bincount(fuzzy.rows, fuzzy.weights, rejects) == pytest.approx(weights)


def test_exploration_without_a_recorded_propensity_is_refused():
    for propensities, message in (
        (np.array([0.5, np.nan]), "1 of 2 loans have no recorded"),
        (np.array([0.5, 0.0]), "above 0"),
    ):
        with pytest.raises(Refused, match=message):
            weight_by_exploration(np.ones(2), propensities)
    with pytest.raises(Refused, match="0 of 0"):
        weight_by_exploration(np.ones(0), np.ones(0))
    with pytest.raises(BrokenInvariant):
        weight_by_exploration(np.ones(2), np.ones(3))


def test_too_few_approved_loans_for_the_bands_are_refused():
    with pytest.raises(Refused, match="needs 400 approved loans, here are 399"):
        parcel(np.zeros(399), np.zeros(399, dtype=np.int8), np.zeros(1), np.ones(1), PARCELLING, weights=np.ones(399))
