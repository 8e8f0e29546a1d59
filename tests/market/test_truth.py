"""The truth: calibrated, moved by what moves it, and out of every application."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from instant_credit.errors import BrokenInvariant
from instant_credit.market import applicants as applicants_module
from instant_credit.market import telling as telling_module
from instant_credit.market.applicants import draw_applicants
from instant_credit.market.instalments import Offers, offer_as_asked
from instant_credit.market.telling import Teller
from instant_credit.market.truth import THIN_FILE_YEARS, Truth, draw_truth, risk_of_terms
from instant_credit.market.world import YEAR_DAYS, World
from instant_credit.units import Ppm
from tests.budget import examples
from tests.market.lending import WORLD, draw_all, personal_loan

COUNT = 30_000


@examples(20)
@given(st.integers(0, 10**7), st.integers(1, 2**48 - 1), st.floats(0, 3))
def test_another_hidden_factor_sends_the_same_application(number: int, hidden_seed: int, hidden_sd: float) -> None:
    other = replace(WORLD, hidden_seed=hidden_seed, hidden_sd=hidden_sd, risk_shift=1.0, thin_file_bonus=0.0)
    ours, theirs = draw_applicants(WORLD, number, 1), draw_applicants(other, number, 1)
    teller = Teller(personal_loan())
    assert teller.encode_body(ours, 0) == teller.encode_body(theirs, 0)
    assert teller.tell_facts(ours, 0) == teller.tell_facts(theirs, 0)
    assert teller.tell_monitoring(ours, 0) == teller.tell_monitoring(theirs, 0)
    assert draw_truth(WORLD, ours).pds[0] != draw_truth(other, theirs).pds[0]


def test_what_applicants_are_made_by_reads_nothing_hidden() -> None:
    for module in (applicants_module, telling_module):
        assert module.__file__ is not None
        tree = ast.parse(Path(module.__file__).read_text())
        read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not read & {"hidden_seed", "hidden_sd", "HOUSEHOLD_HIDDEN", "PERSON_HIDDEN", "OFFER", "LOAN", "MONTHS"}
        assert not {f"instant_credit.market.{name}" for name in ("truth", "offers", "fates", "loans")} & imported


def test_the_defaults_are_calibrated() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    assert truth.pds.mean() == pytest.approx(0.15, abs=0.01)
    facts = np.column_stack([column.astype(float) for column in applicants.columns.values()])
    facts = StandardScaler().fit_transform(facts)
    bad = np.random.default_rng(5).random(COUNT) < truth.pds
    half = COUNT // 2
    model = LogisticRegression(max_iter=400).fit(facts[:half], bad[:half])
    scores = model.predict_proba(facts[half:])[:, 1]
    assert 0.71 < roc_auc_score(bad[half:], scores) < 0.78
    # The truth ranks better than all facts together.
    assert roc_auc_score(bad[half:], truth.pds[half:]) > 0.78
    safer = scores < np.quantile(scores, 0.6)
    assert truth.pds[half:][safer].mean() == pytest.approx(0.08, abs=0.012)


def test_one_truth_is_the_same_alone_and_among_others() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    for row in (0, 17, 29_999):
        alone = draw_truth(WORLD, applicants.take(slice(row, row + 1)))
        assert (alone.log_odds[0], alone.pds[0], alone.hidden[0]) == (
            truth.log_odds[row],
            truth.pds[row],
            truth.hidden[row],
        )


def test_what_is_hidden_is_the_persons_and_partly_the_households() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    assert truth.hidden.std() == pytest.approx(WORLD.hidden_sd, abs=0.02)
    again = np.flatnonzero(applicants.persons != applicants.numbers)
    assert (truth.hidden[again] == truth.hidden[applicants.persons[again]]).all()
    second = np.flatnonzero((applicants.households != applicants.persons) & (applicants.persons == applicants.numbers))
    heads = applicants.households[second]
    second, heads = second[applicants.persons[heads] == heads], heads[applicants.persons[heads] == heads]
    together = np.corrcoef(truth.hidden[second], truth.hidden[heads])[0, 1]
    assert together == pytest.approx(WORLD.household_share_of_hidden, abs=0.06)


def test_without_anything_hidden_the_facts_tell_everything() -> None:
    applicants, _ = draw_all(WORLD, COUNT)
    open_world = replace(WORLD, hidden_sd=0.0)
    assert not draw_truth(open_world, applicants).hidden.any()
    assert (
        draw_truth(open_world, applicants).pds == draw_truth(replace(open_world, hidden_seed=9), applicants).pds
    ).all()


def test_steady_applicants_with_short_files_are_better_than_their_facts_look() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    plain = draw_truth(replace(WORLD, thin_file_bonus=0.0), applicants)
    file_years = (applicants.applied_days - applicants.columns["earliest_credit_on"]) / YEAR_DAYS
    steady = (file_years < THIN_FILE_YEARS) & (applicants.columns["employment_years"] >= 4)
    assert 0.02 < steady.mean() < 0.15
    assert np.allclose(plain.log_odds - truth.log_odds, np.where(steady, WORLD.thin_file_bonus, 0.0))


def test_drift_and_season_move_the_truth_with_the_day() -> None:
    world = replace(WORLD, applications_per_day=20, season_amplitude=0.5, drift_per_year=0.3)
    still = replace(world, season_amplitude=0.0, drift_per_year=0.0)
    applicants = draw_applicants(world, 0, 20 * 731)
    moved = draw_truth(world, applicants).log_odds - draw_truth(still, applicants).log_odds
    by_day = moved.reshape(731, 20)
    assert np.ptp(by_day, axis=1).max() < 1e-9
    assert by_day[365:, 0].mean() - by_day[:365, 0].mean() == pytest.approx(0.3, abs=0.01)
    wave = by_day[:, 0] - 0.3 * np.arange(731) / YEAR_DAYS
    assert wave.max() == pytest.approx(0.5, abs=0.01)
    assert wave.min() == pytest.approx(-0.5, abs=0.01)
    assert 80 < int(np.argmax(wave[:365])) < 100


def test_drift_of_inquiries_moves_who_has_some() -> None:
    world = replace(WORLD, applications_per_day=20, drift_inquiries_per_year=0.2)
    applicants = draw_applicants(world, 20 * 365, 500)
    years = (applicants.applied_days - world.apply_on(np.zeros(1, dtype=np.int64))[0]) / YEAR_DAYS
    moved = draw_truth(world, applicants).log_odds - draw_truth(WORLD, applicants).log_odds
    assert np.allclose(moved, 0.2 * years * applicants.columns["inquiries_6m"])


def test_as_asked_and_at_the_reference_price_the_risk_is_the_applicants() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers = offer_as_asked(applicants, WORLD.reference_apr_ppm)
    assert (risk_of_terms(WORLD, applicants, truth, offers) == truth.pds).all()


def test_dearer_and_larger_loans_are_riskier() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    asked = offer_as_asked(applicants, WORLD.reference_apr_ppm)
    dearer = risk_of_terms(WORLD, applicants, truth, offer_as_asked(applicants, Ppm(250_000)))
    smaller = risk_of_terms(
        WORLD, applicants, truth, Offers(np.maximum(asked.amounts // 2, 1), asked.aprs, asked.terms)
    )
    assert (dearer >= truth.pds).all()
    assert (smaller <= truth.pds).all()
    assert dearer.mean() > truth.pds.mean() + 0.01 > smaller.mean() + 0.01


def test_arrays_of_different_lengths_are_refused() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    with pytest.raises(BrokenInvariant, match="of the same length"):
        risk_of_terms(WORLD, applicants, truth.take(slice(0, 3)), offer_as_asked(applicants, Ppm(1)))
    assert isinstance(truth.take(np.array([1])), Truth)
    assert len(draw_truth(World(seed=1), applicants.take(slice(0, 0)))) == 0
