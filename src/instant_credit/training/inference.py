"""Reject inference inside a training: rejected applicants join each fit, and nothing else. Edge.

    approved loans of a part -> two halves of persons, each scored by a model of the other -> raw scores of loans not seen
    rejects until the part's last day -> scored by both models, the mean                   -> `selection_bias` -> rows with labels
    approved and inferred rows -> fitted together

Calibration and test are of approved loans alone: an inferred label is an assumption, and no figure is measured against one.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.score.calibration import estimate_pds, tabulate_calibrations
from instant_credit.training.carrying import Maker, Prepare, Scorer
from instant_credit.training.dataset import Loans, Rejects, TrainingSet
from instant_credit.training.fitting.calibrate import fit_calibration
from instant_credit.training.plans import deal_folds
from instant_credit.training.selection_bias import Inference, Inferred, Variant, augment_fuzzily, parcel

_HALVES: Final = 2


def infer_rejects(prepare: Prepare, training_set: TrainingSet, inference: Inference | None) -> Prepare:
    """The same preparation, whose fits take the set's rejected applicants in; itself where none are asked for."""
    rejects = training_set.rejects
    if inference is None or inference.variant is Variant.APPROVED_ONLY or rejects is None:
        return prepare

    def prepare_inferred(loans: Loans, place: str) -> Maker:
        make = prepare(loans, place)

        def make_inferred(part: Loans) -> Scorer:
            return make(_join(part, rejects, inference, make))

        return make_inferred

    return prepare_inferred


def check_inference(inference: Inference | None, rejects: Rejects | None) -> None:
    """Refused when a training set does not hold what the inference needs; the message says what does."""
    if inference is None or inference.variant is Variant.APPROVED_ONLY:
        return
    if inference.variant is Variant.EXPLORATION_WEIGHTED:
        raise Refused(
            "no Case of the book has a recorded propensity of its approval: exploration-weighted training needs applicants that were "
            "approved by a chance that was written down; train --inference approved-only, parcelling or fuzzy-augmentation"
        )
    if rejects is None or not len(rejects.days):
        raise Refused(
            f"--inference {inference.variant.value}: the book holds no Case that was declined and has no outcome; reject inference is for "
            "books of recorded applications"
        )


def _join(part: Loans, rejects: Rejects, inference: Inference, make: Maker) -> Loans:
    """The part's loans and the rows inferred of rejects until its last day, in order of their days."""
    rows = np.flatnonzero(rejects.days <= part.days.max())
    if not len(rows):
        return part
    inferred = _infer(part, rejects, rows, inference, make)
    chosen = rows[inferred.rows]
    joined = Loans(
        columns=part.columns,
        matrix=np.concatenate((part.matrix, rejects.matrix[chosen])),
        labels=np.concatenate((part.labels, inferred.labels)),
        days=np.concatenate((part.days, rejects.days[chosen])),
        # Rejects are persons of their own here: who they are decides no fit.
        persons=np.concatenate((part.persons, int(part.persons.max()) + 1 + chosen)),
        weights=np.concatenate((part.weights, inferred.weights)),
    )
    return joined.take(np.argsort(joined.days, kind="stable"))


def _infer(part: Loans, rejects: Rejects, rows: NDArray[np.int64], inference: Inference, make: Maker) -> Inferred:
    halves = deal_folds(part.persons, _HALVES, "halves")
    raws, rejected_raws = np.empty(part.loans), np.zeros(len(rows))
    matrix = np.ascontiguousarray(rejects.matrix[rows])
    for half in range(_HALVES):
        scorer = make(part.take(np.flatnonzero(halves != half)))
        raws[halves == half] = scorer.score(np.ascontiguousarray(part.matrix[halves == half]))
        rejected_raws += scorer.score(matrix) / _HALVES
    if inference.variant is Variant.PARCELLING:
        return parcel(raws, part.labels, rejected_raws, rejects.weights[rows], inference, weights=part.weights)
    calibration = fit_calibration(raws, part.labels, part.weights)
    pds = estimate_pds(tabulate_calibrations(calibration), rejected_raws, None)
    return augment_fuzzily(pds, rejects.weights[rows], inference)
