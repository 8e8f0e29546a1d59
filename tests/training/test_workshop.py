from datetime import date

import msgspec
import numpy as np
import pytest

from instant_credit.canonical import hash_content
from instant_credit.errors import Refused
from instant_credit.score.bundle import decode_bundle
from instant_credit.score.calibration import estimate_pds, tabulate_calibrations
from instant_credit.score.model import compile_model, score_rows
from instant_credit.training.fitting.calibrate import fit_calibration
from instant_credit.training.fitting.fit import fit_model
from instant_credit.training.intervals import measure_auc_difference
from instant_credit.training.manifest import encode_training
from instant_credit.training.plans import CALIBRATION_FOLDS, ByDate, ByFolds, deal_folds
from instant_credit.training.workshop import build_training
from instant_credit.units import days_from_date
from tests.training.loans import QUICK, invent_set

TEST_FROM = date(2021, 7, 1)
BY_DATE = ByDate(test_from=TEST_FROM, calibration_months=6)
SET = invent_set()
TRAINING = build_training(SET, BY_DATE, QUICK)
FOLDED = build_training(SET, ByFolds(folds=3), QUICK)
IS_TEST = SET.days >= days_from_date(TEST_FROM)
IS_CALIBRATION = ~IS_TEST & (SET.days >= days_from_date(date(2021, 1, 1)))


def test_two_trainings_give_the_same_bundle():
    again = build_training(invent_set(), BY_DATE, QUICK)
    assert again.bundle_raw == TRAINING.bundle_raw
    assert again.bundle_hash == TRAINING.bundle_hash


def test_every_fit_of_a_model_is_watched_tree_by_tree():
    told = []
    build_training(invent_set(600), ByFolds(folds=2), QUICK, watch=lambda done, trees: told.append((done, trees)))
    assert told == 3 * [(done, QUICK.iterations) for done in range(1, QUICK.iterations + 1)]


def test_the_manifest_tells_what_the_bundle_was_made_from_and_by():
    told = msgspec.json.decode(encode_training(TRAINING.manifest))
    assert told["bundle_hash"] == hash_content(TRAINING.bundle_raw)
    assert (told["book"], told["product_hash"], told["known_on"]) == ("invented", SET.product_hash, "2024-01-01")
    assert told["plan"] == {
        "kind": "by_date",
        "test_from": "2021-07-01",
        "calibration_months": 6,
        "test_share": None,
        "folds": None,
        "fold_seed": 1,
        "calibration_folds": 5,
    }
    assert (told["parameters"]["seed"], told["parameters"]["threads"]) == (QUICK.seed, QUICK.threads)
    assert {"catboost", "numpy", "engine"} <= told["versions"].keys()
    assert (told["cases"], told["left_out"][0]["count"], told["parts"][0]["loans"]) == (3_005, 5, (~IS_TEST).sum())
    assert FOLDED.manifest.plan.folds == 3


def test_equal_trainings_have_equal_manifests_and_others_have_not():
    again = build_training(invent_set(), BY_DATE, QUICK)
    assert encode_training(again.manifest) == encode_training(TRAINING.manifest)
    assert again.training_hash == hash_content(encode_training(TRAINING.manifest))
    later = build_training(msgspec.structs.replace(SET, known_on=date(2024, 1, 2)), BY_DATE, QUICK)
    assert later.bundle_hash == TRAINING.bundle_hash
    assert later.training_hash != TRAINING.training_hash


def test_no_test_loan_has_a_part_in_the_bundle():
    matrix, labels = SET.matrix.copy(), SET.labels.copy()
    labels[IS_TEST] = 1 - labels[IS_TEST]
    matrix[IS_TEST] = matrix[IS_TEST][::-1]
    changed = build_training(msgspec.structs.replace(SET, matrix=matrix, labels=labels), BY_DATE, QUICK)
    assert changed.bundle_raw == TRAINING.bundle_raw
    assert changed.model.quality != TRAINING.model.quality


def test_calibration_is_fitted_on_the_last_months_before_the_test():
    labels = SET.labels.copy()
    labels[np.flatnonzero(IS_CALIBRATION & (labels == 0))[::4]] = 1
    changed = build_training(msgspec.structs.replace(SET, labels=labels), BY_DATE, QUICK)
    pds = estimate_pds(changed.model.calibration, changed.fitted.score(SET.matrix[IS_CALIBRATION]))
    assert labels[~IS_TEST & ~IS_CALIBRATION].mean() < 0.7 * labels[IS_CALIBRATION].mean()
    assert pds.mean() == pytest.approx(labels[IS_CALIBRATION].mean(), abs=0.02)


def test_calibration_sees_only_scores_of_models_fitted_without_the_loan():
    before = np.flatnonzero(~IS_TEST)
    folds = deal_folds(SET.persons[before], CALIBRATION_FOLDS, "calibration")
    raw_scores = np.empty(len(before))
    for fold in range(CALIBRATION_FOLDS):
        others, held = before[folds != fold], before[folds == fold]
        alone = fit_model(SET.matrix[others], SET.labels[others], SET.columns, QUICK)
        raw_scores[folds == fold] = alone.score(SET.matrix[held])
    is_last = IS_CALIBRATION[before]
    assert TRAINING.model.calibration == fit_calibration(raw_scores[is_last], SET.labels[before][is_last])


def test_the_final_model_is_fitted_on_all_loans_before_the_test():
    alone = fit_model(SET.matrix[~IS_TEST], SET.labels[~IS_TEST], SET.columns, QUICK)
    assert alone.tables.leaf_values.tobytes() == TRAINING.bundle.tables.leaf_values.tobytes()


def test_parts_add_up():
    fitted, calibrated, tested = TRAINING.parts
    assert fitted.loans + tested.loans == SET.loans
    assert (
        date(2021, 1, 1) <= calibrated.first_on <= calibrated.last_on == fitted.last_on < TEST_FROM <= tested.first_on
    )
    assert calibrated.loans == IS_CALIBRATION.sum()


def test_the_bundle_scores_as_the_test_was_scored():
    bundle = decode_bundle(TRAINING.bundle_raw)
    raw_scores = score_rows(compile_model(bundle.tables), SET.matrix[TRAINING.test_rows])
    assert estimate_pds(bundle.calibration, raw_scores).tobytes() == TRAINING.model.pds.tobytes()
    assert bundle.product_hash == SET.product_hash
    assert bundle.variables == SET.columns.names


def test_model_and_scorecard_are_compared_over_the_same_loans():
    labels = SET.labels[TRAINING.test_rows]
    assert TRAINING.auc_difference == measure_auc_difference(TRAINING.model.pds, TRAINING.scorecard_tested.pds, labels)
    assert TRAINING.model.quality.loans == TRAINING.scorecard_tested.quality.loans == IS_TEST.sum()


def test_folds_score_every_loan_by_a_model_that_did_not_see_it():
    folds = deal_folds(SET.persons, 3)
    for fold in range(3):
        is_held = folds == fold
        alone = fit_model(np.ascontiguousarray(SET.matrix[~is_held]), SET.labels[~is_held], SET.columns, QUICK)
        ranks = np.argsort(np.argsort(alone.score(np.ascontiguousarray(SET.matrix[is_held])), kind="stable"))
        pds = FOLDED.model.pds[is_held]
        assert (np.diff(pds[np.argsort(ranks)]) >= 0).all()
    assert FOLDED.model.quality.loans == SET.loans


def test_folds_fit_the_final_model_on_all_loans():
    alone = fit_model(SET.matrix, SET.labels, SET.columns, QUICK)
    assert alone.tables.leaf_values.tobytes() == FOLDED.bundle.tables.leaf_values.tobytes()


def test_a_person_is_in_one_fold_only():
    persons = np.arange(SET.loans, dtype=np.int64) // 3
    folds = deal_folds(persons, 4)
    assert all(len(set(folds[persons == person].tolist())) == 1 for person in range(0, 1_000, 7))
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 3


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (ByDate(test_from=date(2030, 1, 1)), "calibrate, of these: 0 loans"),
        (ByDate(test_from=date(2019, 1, 1)), "fit: 0 loans"),
        (ByDate(test_from=date(2021, 12, 28)), "test: .* --test-from"),
        (ByDate(test_from=TEST_FROM, calibration_months=0), "at least one month"),
        (ByFolds(folds=1), "folds must be 2 to 20"),
        (ByFolds(folds=21), "folds must be 2 to 20"),
    ],
)
def test_a_plan_that_leaves_a_part_too_small_is_refused_with_what_to_do(plan, words):
    with pytest.raises(Refused, match=words):
        build_training(SET, plan, QUICK)


def test_folds_too_small_are_refused_with_what_helps_folds():
    few = invent_set(150)
    with pytest.raises(Refused, match=r"fold 1: .*Take fewer --folds") as refused:
        build_training(few, ByFolds(folds=10), QUICK)
    assert "--test-from" not in str(refused.value)


def test_a_segment_has_its_own_calibration_in_bundle_and_test():
    training = build_training(SET, BY_DATE, QUICK, segment="purpose")
    bundle = decode_bundle(training.bundle_raw)
    assert bundle.segment_variable == "purpose"
    assert bundle.segment_calibrations == training.model.calibrated.segment_calibrations
    assert None not in bundle.segment_calibrations
    codes = SET.matrix[training.test_rows, SET.columns.names.index("purpose")]
    assert codes.tolist() == training.segment_codes[training.test_rows].tolist()
    table = tabulate_calibrations(bundle.calibration, bundle.segment_calibrations)
    assert estimate_pds(table, training.model.raws, codes).tobytes() == training.model.pds.tobytes()
    assert training.bundle.tables.leaf_values.tobytes() == TRAINING.bundle.tables.leaf_values.tobytes()


def test_folds_calibrate_by_segment_too():
    training = build_training(SET, ByFolds(folds=3), QUICK, segment="purpose")
    assert training.model.pds.tobytes() != FOLDED.model.pds.tobytes()
    assert training.model.raws.tobytes() == FOLDED.model.raws.tobytes()


@pytest.mark.parametrize("name", ["amount", "nonsense"])
def test_a_segment_that_is_no_category_is_refused_with_those_there_are(name):
    with pytest.raises(Refused, match=rf"{name}.*purpose"):
        build_training(SET, BY_DATE, QUICK, segment=name)


def test_weights_move_the_model_its_calibration_and_its_figures():
    weights = np.where(SET.labels == 1, 1.0, 8.0)
    weighted = build_training(msgspec.structs.replace(SET, weights=weights), BY_DATE, QUICK)
    test = SET.take(TRAINING.test_rows)
    rate = float(np.average(test.labels, weights=weights[TRAINING.test_rows]))
    assert weighted.model.quality.bad_rate.value == pytest.approx(rate)
    assert weighted.model.quality.expected_to_observed == pytest.approx(1.0, abs=0.25)
    assert weighted.bundle_hash != TRAINING.bundle_hash
    equal = build_training(msgspec.structs.replace(SET, weights=np.full(SET.loans, 8.0)), BY_DATE, QUICK)
    assert equal.bundle_hash == TRAINING.bundle_hash
    assert equal.model.quality == TRAINING.model.quality


def test_scores_of_the_fitted_loans_come_from_models_that_did_not_see_them():
    before = SET.take(TRAINING.fit_rows)
    folds = deal_folds(before.persons, CALIBRATION_FOLDS, "calibration")
    others, held = before.take(np.flatnonzero(folds != 0)), before.take(np.flatnonzero(folds == 0))
    alone = fit_model(others.matrix, others.labels, SET.columns, QUICK)
    assert alone.score(held.matrix).tobytes() == TRAINING.model.fit_raws[folds == 0].tobytes()
    assert FOLDED.model.fit_raws.tobytes() == FOLDED.model.raws.tobytes()
    assert FOLDED.test_folds.tolist() == deal_folds(SET.persons, 3).tolist()
