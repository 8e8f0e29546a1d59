"""Ordered categories from the fit to the bundle, in every form that scores."""

import msgspec
import numpy as np
import pytest
from catboost import CatBoostClassifier

from instant_credit.application.product import Direction
from instant_credit.score.bundle import Bundle, decode_bundle, encode_bundle
from instant_credit.score.calibration import Calibration
from instant_credit.score.model import compile_model, explain_row, explain_rows, leaf_counts, score_rows
from instant_credit.score.proof import check_proof, prove_bundle, verify_directions
from instant_credit.score.registers.kernels import IS_FIT
from instant_credit.training.dataset import ModelColumns
from instant_credit.training.fitting.fit import fit_model
from instant_credit.training.fitting.scorecard import fit_scorecard
from instant_credit.training.plans import ByFolds
from instant_credit.training.repeating import rebuild_training
from instant_credit.training.workshop import build_training
from tests.training.loans import QUICK, invent_set

CODES, UNSEEN = 40, 5
PARAMETERS = msgspec.structs.replace(QUICK, ordered_from=10)
FORMS = [False, pytest.param(True, marks=pytest.mark.skipif(not IS_FIT, reason="no registers of 512 bits here"))]


def invent(loans: int, codes: int):
    """An ordered category, a one-hot one and a number with a direction; some values missing."""
    chance = np.random.default_rng(loans)
    branch, kind = chance.integers(-1, codes, loans), chance.integers(-1, 3, loans)
    size = np.where(chance.random(loans) < 0.1, np.nan, chance.normal(size=loans))
    risk = -1.5 + np.sin(branch * 2.0) + 0.3 * (kind == 1) + 0.6 * np.nan_to_num(size)
    labels = (chance.random(loans) < 1 / (1 + np.exp(-risk))).astype(np.int8)
    return np.ascontiguousarray(np.column_stack([branch, kind, size]), dtype=np.float32), labels


COLUMNS = ModelColumns(
    names=("branch", "kind", "size"),
    directions=(Direction.FREE, Direction.FREE, Direction.INCREASING),
    categories=(tuple(f"b{code}" for code in range(CODES)), ("x", "y", "z"), ()),
)
# The last codes are never seen in the fit.
MATRIX, LABELS = invent(3_000, CODES - UNSEEN)
OTHERS, _ = invent(500, CODES)


def fit_both():
    """The fitted model and CatBoost's own behind it."""
    seen = []
    fit = CatBoostClassifier.fit

    def keep(self, *arguments, **more):
        seen.append(self)
        return fit(self, *arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CatBoostClassifier, "fit", keep)
        fitted = fit_model(MATRIX, LABELS, COLUMNS, PARAMETERS)
    return fitted, seen[0]


FITTED, CATBOOST = fit_both()
TABLES = FITTED.tables
BUNDLE = prove_bundle(
    Bundle(
        product_hash="a" * 64,
        variables=COLUMNS.names,
        categories=COLUMNS.categories,
        directions=COLUMNS.directions,
        tables=TABLES,
        calibration=Calibration(),
    )
)


def as_catboost_sees(matrix: np.ndarray) -> list[list[object]]:
    ranks = TABLES.code_ranks[0]
    return [[float(ranks[int(branch) + 1]), str(int(kind)), float(size)] for branch, kind, size in matrix]


@pytest.mark.parametrize("simd", FORMS)
def test_codes_unseen_and_missing_ones_score_bit_equal_to_catboost_in_every_form(simd):
    assert (OTHERS[:, 0] >= CODES - UNSEEN).any()
    assert (OTHERS[:, 0] == -1).any()
    expected = CATBOOST.predict(as_catboost_sees(OTHERS), prediction_type="RawFormulaVal")
    model = compile_model(TABLES, simd=simd)
    assert score_rows(model, OTHERS).tobytes() == expected.tobytes()
    assert [explain_row(model, row).raw for row in OTHERS[:50]] == expected[:50].tolist()


@pytest.mark.parametrize("reference", [False, True])
def test_every_form_explains_with_the_same_bytes(reference):
    counts = leaf_counts(FITTED.compiled, MATRIX[:300]) if reference else None
    raws, contributions = explain_rows(compile_model(TABLES, counts), OTHERS)
    portable = explain_rows(compile_model(TABLES, counts, simd=False), OTHERS)
    assert (raws.tobytes(), contributions.tobytes()) == (portable[0].tobytes(), portable[1].tobytes())
    model = compile_model(TABLES, counts)
    assert all(
        explain_row(model, row).contributions.tobytes() == told.tobytes()
        for row, told in zip(OTHERS[:50], contributions, strict=False)
    )


def test_a_code_that_no_fitted_loan_had_stands_where_the_mean_does():
    ranks, counted = np.array(TABLES.code_ranks[0]), MATRIX[:, 0].astype(int) + 1
    rates = np.array([LABELS[counted == place].mean() if (counted == place).any() else np.nan for place in range(41)])
    unseen, seen = np.isnan(rates), ~np.isnan(rates)
    assert unseen.sum() == UNSEEN
    assert (ranks[seen & (rates < LABELS.mean() - 0.1)] < ranks[unseen].min()).all()
    assert (ranks[seen & (rates > LABELS.mean() + 0.1)] > ranks[unseen].max()).all()


def test_directions_are_proven_beside_ordered_codes_and_a_broken_one_is_named():
    assert verify_directions(TABLES, COLUMNS.directions, COLUMNS.names) == []
    turned = msgspec.structs.replace(TABLES, leaf_values=-TABLES.leaf_values)
    told = verify_directions(turned, COLUMNS.directions, COLUMNS.names)
    assert told
    assert all("with size" in one for one in told)


def test_a_bundle_of_it_comes_back_proven_and_scores_the_same():
    again = decode_bundle(encode_bundle(BUNDLE))
    check_proof(again)
    assert score_rows(compile_model(again.tables), OTHERS).tobytes() == FITTED.score(OTHERS).tobytes()


def test_the_scorecard_beside_it_takes_codes_that_it_never_saw():
    scores = fit_scorecard(MATRIX, LABELS, COLUMNS).score(OTHERS)
    assert np.isfinite(scores).all()
    unseen = OTHERS[:, 0] >= CODES - UNSEEN
    assert np.corrcoef(scores[~unseen], FITTED.score(OTHERS)[~unseen])[0, 1] > 0.7


def test_a_training_with_ordered_codes_repeats_to_the_same_bundle():
    training_set = invent_set(600)
    ordered = msgspec.structs.replace(QUICK, ordered_from=3)
    training = build_training(training_set, ByFolds(folds=2), ordered)
    position = training_set.columns.names.index("purpose")
    assert training.bundle.tables.ordered == (position,)
    assert training.manifest.parameters.ordered_from == 3
    assert rebuild_training(training_set, training.manifest).bundle_hash == training.bundle_hash
