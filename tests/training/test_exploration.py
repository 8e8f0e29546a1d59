"""Loans approved by a recorded chance stand for all who applied: weights, what is told of them, and what a model makes of it."""

import json
from functools import cache

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from instant_credit.application.document import load_product
from instant_credit.commands import cli
from instant_credit.commands import train as train_command
from instant_credit.errors import Refused
from instant_credit.record.shipped import read_starter
from instant_credit.score.calibration import estimate_pds
from instant_credit.training.dataset import Rejects, TrainingSet
from instant_credit.training.digest import digest_loans
from instant_credit.training.inference import check_inference, name_propensity, tell_exploration
from instant_credit.training.manifest import decode_training, encode_training
from instant_credit.training.plans import ByShare
from instant_credit.training.propensities import find_propensity
from instant_credit.training.repeating import rebuild_training
from instant_credit.training.selection_bias import PROPENSITY_MIN, Inference, Variant, weight_by_exploration
from instant_credit.training.workshop import Training, build_training
from instant_credit.units import days_from_date
from tests.training.loans import FIRST, LAST, QUICK, invent_matrix, invent_set
from tests.training.tapes.test_importing import HEADER
from tests.training.test_train_command import invent_rows

WEIGHTED = Inference(variant=Variant.EXPLORATION_WEIGHTED, propensity="chance")
APPLICANTS = 24_000
PLAN = ByShare(test_share=0.2)
chances = st.floats(1e-6, 1.0)


@given(st.lists(st.tuples(st.floats(0.1, 50), chances), min_size=1, max_size=40))
def test_a_loan_stands_for_the_applicants_of_its_chance_and_for_no_more_than_a_hundred(told):
    weights, propensities = (np.array(one) for one in zip(*told, strict=True))
    found = weight_by_exploration(weights, propensities)
    for weight, chance, one in zip(weights, propensities, found, strict=True):
        assert one == weight / (max(chance, 0.01))
    assert PROPENSITY_MIN == 0.01


class World:
    """All who applied, whose outcome is known here, and the chance of each to be approved, which for many is 1.

    Chances fall with what makes loans bad: with what no variable tells, or with the amount, by which a model of few trees tells too little.
    """

    def __init__(self, *, is_hidden: bool) -> None:
        chance = np.random.default_rng(17)
        self.matrix, _ = invent_matrix(APPLICANTS, seed=5)
        driver = chance.normal(size=APPLICANTS) if is_hidden else (self.matrix[:, 0] - 2e6) / 1e6
        risk = -2.8 + 2.0 * self.matrix[:, 0] / 4e6 - 2.0 * self.matrix[:, 1] / 1.5e7 + 1.3 * driver
        self.labels = (chance.random(APPLICANTS) < 1 / (1 + np.exp(-risk))).astype(np.int8)
        self.propensities = np.clip(1.3 / (1 + np.exp(2.0 * driver)), 0.05, 1.0)
        self.is_approved = chance.random(APPLICANTS) < self.propensities

    def gather(self) -> TrainingSet:
        """What the lender knows: outcomes of the approved alone."""
        kept = self.is_approved
        days = np.sort(np.random.default_rng(3).integers(days_from_date(FIRST), days_from_date(LAST), APPLICANTS))
        return replace(
            invent_set(10),
            matrix=np.ascontiguousarray(self.matrix[kept]),
            labels=self.labels[kept],
            days=days[kept].astype(np.int32),
            persons=np.arange(int(kept.sum())),
            weights=np.ones(int(kept.sum())),
            propensities=self.propensities[kept],
            rejects=Rejects(
                matrix=np.ascontiguousarray(self.matrix[~kept]),
                days=days[~kept].astype(np.int32),
                weights=np.ones(int((~kept).sum())),
            ),
        )

    def miss(self, training: Training, rows: np.ndarray) -> float:
        """By how much the mean pd of these applicants lies below their bad rate."""
        raws = training.fitted.score(np.ascontiguousarray(self.matrix[rows]))
        pds = estimate_pds(training.model.calibrated.table, raws, None)
        return float(self.labels[rows].mean() - pds.mean())


@cache
def world(*, is_hidden: bool) -> World:
    return World(is_hidden=is_hidden)


@cache
def train(inference: Inference | None, *, is_hidden: bool) -> Training:
    return build_training(world(is_hidden=is_hidden).gather(), PLAN, QUICK, inference=inference)


def test_weights_of_exploration_calibrate_a_model_to_all_who_applied_though_what_selected_is_hidden():
    told, everybody = world(is_hidden=True), np.full(APPLICANTS, True)
    weighted, approved = train(WEIGHTED, is_hidden=True), train(None, is_hidden=True)
    assert abs(told.miss(weighted, everybody)) < 0.01
    assert told.miss(approved, everybody) > 0.04


def test_the_declined_are_expected_to_do_as_badly_as_they_would_where_the_model_sees_what_selected():
    told = world(is_hidden=False)
    assert told.labels[~told.is_approved].mean() > 0.3
    assert abs(told.miss(train(WEIGHTED, is_hidden=False), ~told.is_approved)) < 0.01


def test_of_the_declined_weights_make_up_for_a_third_at_least_of_what_a_hidden_cause_conceals():
    """Among equal applicants the declined are the worse ones, so what is right of all who applied still flatters them."""
    told = world(is_hidden=True)
    missed = told.miss(train(None, is_hidden=True), ~told.is_approved)
    assert 0 < told.miss(train(WEIGHTED, is_hidden=True), ~told.is_approved) < missed * 2 / 3


def test_variants_are_measured_on_the_same_loans_with_their_own_weights():
    one, other = train(None, is_hidden=True), train(WEIGHTED, is_hidden=True)
    assert one.test_rows.tolist() == other.test_rows.tolist()
    assert one.model.quality.bad_rate == other.model.quality.bad_rate
    assert one.bundle_hash != other.bundle_hash


def test_chances_of_1_change_nothing():
    certain = replace(
        world(is_hidden=True).gather(), propensities=np.ones(int(world(is_hidden=True).is_approved.sum()))
    )
    assert (
        build_training(certain, PLAN, QUICK, inference=WEIGHTED).bundle_hash == train(None, is_hidden=True).bundle_hash
    )


def test_a_training_by_exploration_is_repeated_from_its_manifest():
    manifest = decode_training(encode_training(train(WEIGHTED, is_hidden=True).manifest))
    assert manifest.inference == WEIGHTED
    assert name_propensity(manifest.inference) == "chance"
    assert name_propensity(None) is name_propensity(Inference(variant=Variant.APPROVED_ONLY)) is None
    loans = world(is_hidden=True).gather()
    assert rebuild_training(loans, manifest).bundle_hash == manifest.bundle_hash
    with pytest.raises(Refused, match="by which chance loans were approved"):
        rebuild_training(replace(loans, propensities=np.sqrt(loans.propensities)), manifest)


def test_manifests_that_know_no_chance_have_the_bytes_that_they_had():
    loans = replace(invent_set(1_000), rejects=world(is_hidden=True).gather().rejects)
    fuzzy = Inference(variant=Variant.FUZZY_AUGMENTATION)
    assert digest_loans(loans).propensities is UNSET
    manifest = replace(train(None, is_hidden=True).manifest, inference=fuzzy, training_set=digest_loans(loans))
    assert b"propens" not in encode_training(manifest)


def test_what_the_weights_do_is_told():
    loans = replace(invent_set(4), propensities=np.array([1.0, 0.5, 0.004, 1.0]))
    told = tell_exploration(loans)
    assert (told.loans, told.clipped) == (2, 1)
    (line,) = train_command._summarise_inference(train(WEIGHTED, is_hidden=True))
    assert line.startswith("Inference: exploration-weighted, 7,956 loans approved by chance, 0 of them below 1%")
    assert told.effective_loans == pytest.approx(104.0**2 / (1 + 4 + 100**2 + 1))


@pytest.mark.parametrize(
    ("propensities", "message"),
    [
        (None, "name the attribute that holds it with --propensity"),
        ([1.0, np.nan], "1 of 2 loans have no recorded propensity"),
        ([1.0, 0.0], "above 0 and at most 1"),
    ],
)
def test_loans_without_a_chance_each_are_refused(propensities, message):
    loans = replace(invent_set(2), propensities=None if propensities is None else np.array(propensities))
    with pytest.raises(Refused, match=message):
        check_inference(WEIGHTED, loans)


TEXT = read_starter("products", "personal_loan")
CHANCE = """
[[attributes]]
name = "approval_chance"
type = "real"
unit = "ratio"
minimum = 0
maximum = 1
legal = "free"
description = "Probability with which the application was approved."
"""


def test_the_chance_stands_in_an_attribute_that_no_variable_of_the_model_is_made_of():
    product = load_product(TEXT + CHANCE)
    reals = [one.name for one in product.case_attributes if one.type == "real"]
    assert reals[find_propensity(product, "approval_chance")] == "approval_chance"
    for name in ("nothing", "purpose", "debt_to_income_percent"):
        with pytest.raises(Refused, match="no such attribute of type real in the unit ratio"):
            find_propensity(product, name)
    with pytest.raises(Refused, match="a model must not see how it was chosen"):
        find_propensity(product, "revolving_utilisation")


def run(environ: dict[str, str], *arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], env=environ)


@pytest.fixture
def explored(environ, tmp_path) -> tuple[str, ...]:
    """A tape with a column of chances, imported into a book; options that name its product."""
    tape, product, mapping = (tmp_path / name for name in ("tape.csv", "loan.toml", "mapping.toml"))
    rows = [f"{one},{1.0 if n % 3 else 0.25}" for n, one in enumerate(invent_rows(400))]
    tape.write_text("\n".join([HEADER + ",chance", *rows]) + "\n")
    product.write_text(TEXT + CHANCE)
    told = read_starter("mappings", "lending_club_2016q1")
    mapping.write_text(told + '\n[facts.approval_chance]\ncolumn = "chance"\n')
    done = run(environ, "tape", "import", "--mapping", mapping, "--product", product, "--book", "explored", tape)
    assert done.exit_code == 0, done.output
    return ("--product", str(product), "--labels", "as_last_seen", "--preset", "steady")


def test_a_column_of_a_tape_weighs_a_variant_beside_the_others(environ, explored, tmp_path):
    done = run(environ, "inference", "explored", "--propensity", "approval_chance", *explored, "--json", tmp_path / "x")
    assert done.exit_code == 0, done.output
    assert "134 loans approved by chance, 0 of them below 1%" in " ".join(done.output.split())
    variants = {one["inference"]["variant"]: one for one in json.loads((tmp_path / "x").read_text())}
    assert variants["exploration-weighted"]["quality"]["loans"] == variants["approved-only"]["quality"]["loans"]
    assert "--propensity goes with" in run(environ, "train", "--book", "explored", "--propensity", "x").output
