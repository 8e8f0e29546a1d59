"""Reject inference inside a training: declined applicants join the fits, and nothing is measured against them."""

import msgspec
import numpy as np
import pytest

from instant_credit.canonical import hash_content
from instant_credit.errors import Refused
from instant_credit.training.comparing import compare_variants
from instant_credit.training.dataset import Rejects
from instant_credit.training.digest import digest_rejects
from instant_credit.training.inference import infer_rejects
from instant_credit.training.manifest import decode_training, encode_training
from instant_credit.training.plans import ByShare
from instant_credit.training.repeating import rebuild_training
from instant_credit.training.selection_bias import Inference, Variant
from instant_credit.training.workshop import build_training
from tests.training.loans import QUICK, invent_matrix, invent_set

PLAN = ByShare(test_share=0.3)
PARCELLING = Inference(variant=Variant.PARCELLING, prudence=3.0)
FUZZY = Inference(variant=Variant.FUZZY_AUGMENTATION)


def with_rejects(loans=1_500, rejects=600):
    """Loans, and declined applicants of the same world on the days between."""
    told = invent_set(loans)
    matrix, _ = invent_matrix(rejects, seed=9)
    days = np.sort(np.random.default_rng(8).choice(told.days, rejects)).astype(np.int32)
    return msgspec.structs.replace(told, rejects=Rejects(matrix=matrix, days=days, weights=np.ones(rejects)))


SET = with_rejects()
PLAIN = build_training(SET, PLAN, QUICK)
PRUDENT = build_training(SET, PLAN, QUICK, inference=PARCELLING)


def test_inferred_rows_make_another_model_that_is_tested_on_the_same_loans():
    assert PRUDENT.bundle_hash != PLAIN.bundle_hash
    assert PRUDENT.test_rows.tolist() == PLAIN.test_rows.tolist()
    assert PRUDENT.model.quality.loans == PLAIN.model.quality.loans == len(PLAIN.test_rows)
    assert PRUDENT.fitted.score(SET.matrix).mean() > PLAIN.fitted.score(SET.matrix).mean()


def test_approved_only_is_a_training_without_inference():
    same = build_training(SET, PLAN, QUICK, inference=Inference(variant=Variant.APPROVED_ONLY))
    assert same.bundle_hash == PLAIN.bundle_hash
    assert same.manifest.inference is not None


def test_the_manifest_names_the_inference_and_the_training_is_repeated_from_it():
    manifest = decode_training(encode_training(PRUDENT.manifest))
    assert manifest.inference == PARCELLING
    assert manifest.rejects == digest_rejects(SET.rejects)
    assert rebuild_training(SET, manifest).bundle_hash == PRUDENT.bundle_hash
    assert hash_content(encode_training(PRUDENT.manifest)) == PRUDENT.training_hash
    others = msgspec.structs.replace(SET, rejects=with_rejects(rejects=599).rejects)
    with pytest.raises(Refused, match="its declined applicants are others"):
        rebuild_training(others, manifest)


@pytest.mark.parametrize("inference", [PARCELLING, FUZZY])
def test_a_fit_sees_rejects_until_its_last_day_and_no_later_ones(inference):
    part = SET.take(slice(0, 900))
    seen = []

    class Flat:
        def score(self, matrix):
            return matrix[:, 0].astype(np.float64) / 1e6

    def prepare(_, place):
        assert place == "all"

        def make(loans):
            seen.append(loans)
            return Flat()

        return make

    infer_rejects(prepare, SET, inference)(part, "all")(part)
    joined = seen[-1]
    times = 2 if inference is FUZZY else 1
    assert joined.loans == 900 + times * int((SET.rejects.days <= part.days.max()).sum())
    assert joined.days.max() == part.days.max()
    assert (np.diff(joined.days) >= 0).all()
    assert (joined.weights > 0).all()
    assert len(seen) == 3
    early = msgspec.structs.replace(SET, rejects=msgspec.structs.replace(SET.rejects, days=SET.rejects.days + 10_000))
    infer_rejects(prepare, early, inference)(part, "all")(part)
    assert seen[-1].loans == 900


@pytest.mark.parametrize(
    "rejects", [None, Rejects(matrix=np.zeros((0, 7), np.float32), days=np.zeros(0, np.int32), weights=np.zeros(0))]
)
def test_inference_without_declined_applicants_is_refused(rejects):
    with pytest.raises(Refused, match="no Case that was declined"):
        build_training(msgspec.structs.replace(SET, rejects=rejects), PLAN, QUICK, inference=FUZZY)


def test_variants_are_set_side_by_side_and_one_that_cannot_be_trained_says_why():
    variants = [Inference(variant=Variant.APPROVED_ONLY), Inference(variant=Variant.EXPLORATION_WEIGHTED), PARCELLING]
    approved, weighted, parcelled = compare_variants(SET, PLAN, QUICK, variants)
    assert approved.quality == PLAIN.model.quality
    assert "recorded propensity" in weighted.refused
    assert weighted.quality is None
    assert parcelled.quality == PRUDENT.model.quality
    assert 0 < approved.rejects_pd_mean < 1
