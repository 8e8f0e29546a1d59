from datetime import date

import msgspec
import numpy as np
import pytest

from instant_credit.errors import Refused
from instant_credit.training.digest import digest_loans, list_differences
from instant_credit.training.fitting import choice, search
from instant_credit.training.fitting.search import Searching
from instant_credit.training.fitting.selection import SelectOptions
from instant_credit.training.fitting.space import SearchOptions
from instant_credit.training.manifest import decode_training, encode_training
from instant_credit.training.plans import ByDate, ByFolds, ByShare, PlanTold, Wish, recall_plan, tell_plan
from instant_credit.training.repeating import rebuild_training
from instant_credit.training.workshop import build_training
from tests.training.loans import QUICK, invent_set

SET = invent_set()
BY_DATE = ByDate(test_from=date(2021, 7, 1))
TRAINING = build_training(SET, BY_DATE, QUICK, segment="purpose")


def repeat(training_set, training, **changed):
    manifest = decode_training(encode_training(training.manifest))
    return rebuild_training(training_set, msgspec.structs.replace(manifest, **changed))


def change(**arrays):
    return msgspec.structs.replace(SET, **arrays)


@pytest.mark.parametrize("plan", [BY_DATE, ByShare(test_share=0.25), ByFolds(folds=3)], ids=["date", "share", "folds"])
def test_a_plan_is_read_back_from_what_the_manifest_tells(plan):
    told = tell_plan(plan)
    assert recall_plan(msgspec.json.decode(msgspec.json.encode(told), type=PlanTold)) == plan


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"fold_seed": 7}, "dealt by seed 7"),
        ({"calibration_folds": 4}, "in 4 to calibrate on"),
        ({"test_from": None}, "not told in full"),
    ],
)
def test_a_plan_that_this_program_deals_otherwise_is_refused(changed, words):
    with pytest.raises(Refused, match=words):
        recall_plan(msgspec.structs.replace(tell_plan(BY_DATE), **changed))


def test_a_training_is_repeated_from_its_manifest_to_the_last_bit():
    again = repeat(invent_set(), TRAINING)
    assert again.bundle_raw == TRAINING.bundle_raw
    assert again.training_hash == TRAINING.training_hash
    assert again.segment == "purpose"


def test_weights_and_a_chosen_preset_are_repeated(monkeypatch):
    presets = {"steady": QUICK, "plain": msgspec.structs.replace(QUICK, depth=3, seed=4)}
    monkeypatch.setattr(choice, "list_presets", lambda *_: presets)
    weighted = change(weights=np.where(SET.labels == 1, 1.0, 3.5))
    training = build_training(weighted, Wish(test_share=0.3))
    assert len(training.manifest.choice.tried) == 2
    assert training.manifest.training_set.is_weighted
    again = repeat(weighted, training)
    assert again.bundle_raw == training.bundle_raw
    assert again.training_hash == training.training_hash


def test_a_preset_asked_for_by_name_is_that_of_each_fold_again(monkeypatch):
    def list_by_loans(loans, *_):
        return {"steady": msgspec.structs.replace(QUICK, learning_rate=round(loans / 40_000, 6))}

    monkeypatch.setattr(choice, "list_presets", list_by_loans)
    training = build_training(SET, ByFolds(folds=2), "steady")
    assert training.manifest.choice.is_asked
    assert training.parameters.learning_rate == SET.loans / 40_000
    again = repeat(SET, training)
    assert again.bundle_raw == training.bundle_raw
    assert again.training_hash == training.training_hash


def test_a_selection_is_repeated_in_each_fold():
    training = build_training(SET, ByFolds(folds=2), QUICK, selecting=SelectOptions(most=4))
    assert len(training.manifest.selection.kept) <= 4
    assert len(training.manifest.fold_selections) == 2
    again = repeat(SET, training)
    assert again.bundle_raw == training.bundle_raw
    assert again.training_hash == training.training_hash


@pytest.fixture
def quick_search(monkeypatch, tmp_path):
    """Trials whose value is how few their trees are."""
    monkeypatch.setattr(search, "measure_inner", lambda _inner, parameters: 1.0 / parameters.iterations)
    ticks = iter(range(0, 100_000, 30))
    return Searching(
        options=SearchOptions(trials=6, minutes=6, seed=3),
        folder=tmp_path / "searches",
        clock=lambda: float(next(ticks)),
    )


def test_a_search_in_folds_is_repeated_trial_by_trial(quick_search):
    training = build_training(SET, ByFolds(folds=2), QUICK, searching=quick_search)
    searches = (*training.manifest.fold_searches, training.manifest.search)
    assert [len(one.trials) for one in searches] == [4, 4, 4]
    again = repeat(SET, training)
    assert again.bundle_raw == training.bundle_raw
    assert again.training_hash == training.training_hash
    other_space = msgspec.structs.replace(training.manifest.search, space={"depth": "1 to 2"})
    with pytest.raises(Refused, match="another space"):
        repeat(SET, training, search=other_space)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (invent_set(2_990), "holds 2,990 resolved loans, 10 fewer than the 3,000"),
        (invent_set(3_010), "holds 3,010 resolved loans, 10 more than the 3,000"),
        (change(labels=1 - SET.labels), "of its loans are bad, then .* which loans are bad"),
        (change(labels=SET.labels[::-1].copy()), "3,000, but other content: which loans are bad"),
        (change(matrix=SET.matrix[::-1].copy()), "other content: values of variables"),
        (change(days=SET.days + np.int32(1)), "other content: the loans' days"),
        (change(persons=SET.persons // 2), "other content: which loans are of one person"),
        (change(weights=np.full(SET.loans, 2.0)), "other content: sampling weights"),
    ],
    ids=["fewer", "more", "bads", "labels", "matrix", "days", "persons", "weights"],
)
def test_a_book_that_holds_other_loans_is_refused_and_told_how(found, words):
    with pytest.raises(Refused, match=words):
        repeat(found, TRAINING)


def test_other_variables_are_a_difference():
    columns = msgspec.structs.replace(SET.columns, names=SET.columns.names[::-1])
    assert list_differences(digest_loans(SET), digest_loans(change(columns=columns))) == [
        "it holds as many loans as then, 3,000, but other content: the variables"
    ]


def test_a_digest_goes_by_what_the_numbers_are_not_how_they_lie():
    assert digest_loans(change(matrix=np.asfortranarray(SET.matrix))) == digest_loans(SET)


def test_another_bundle_is_refused_with_the_versions_that_changed():
    versions = {**TRAINING.manifest.versions, "catboost": "0.1", "gone": "2"}
    with pytest.raises(Refused, match=r"catboost was 0\.1, is .*, gone was 2, is not there\. Install") as refused:
        repeat(SET, TRAINING, bundle_hash="0" * 64, versions=versions)
    assert TRAINING.bundle_hash in str(refused.value)


def test_another_bundle_of_the_same_versions_is_laid_to_the_machine():
    with pytest.raises(Refused, match="every version is as then"):
        repeat(SET, TRAINING, bundle_hash="0" * 64)


def test_a_manifest_that_is_none_is_refused():
    with pytest.raises(Refused, match="training manifest"):
        decode_training(b"{}")
