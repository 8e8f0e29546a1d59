"""Selection bias inside a training: rejected applicants join each fit, or loans approved by chance count for more. Edge.

    approved loans of a part -> two halves of persons, each scored by a model of the other -> raw scores of loans not seen
    rejects until the part's last day -> scored by both models, the mean                   -> `selection_bias` -> rows with labels
    approved and inferred rows -> fitted together

Calibration and test are of approved loans alone: an inferred label is an assumption, and no figure is measured against one.

Exploration weights are no assumption, so parameters, fits and calibration go by them, and pds are those of all who applied. The test keeps
the loans' own weights, so that variants are measured on the same.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import UNSET, Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.score.calibration import estimate_pds, tabulate_calibrations
from instant_credit.training.carrying import Maker, Prepare, Scorer
from instant_credit.training.dataset import Loans, Rejects, TrainingSet
from instant_credit.training.fitting.calibrate import fit_calibration
from instant_credit.training.plans import deal_folds
from instant_credit.training.selection_bias import (
    PROPENSITY_MIN,
    Inference,
    Inferred,
    Variant,
    augment_fuzzily,
    parcel,
    weight_by_exploration,
)
from instant_credit.training.weights import effective_loans

_HALVES: Final = 2


def name_propensity(inference: Inference | None) -> str | None:
    """The attribute that tells by which chance loans were approved; None where nobody asks."""
    return None if inference is None or inference.propensity is UNSET else inference.propensity


def choose_weights(inference: Inference | None) -> Callable[[Loans], Loans]:
    """What gives loans the weights that they are fitted and calibrated with: their own, or those of exploration."""
    is_explored = inference is not None and inference.variant is Variant.EXPLORATION_WEIGHTED
    return _weigh if is_explored else lambda loans: loans


def _weigh(loans: Loans) -> Loans:
    assert loans.propensities is not None
    return replace(loans, weights=weight_by_exploration(loans.weights, loans.propensities))


class Explored(Struct, frozen=True, kw_only=True):
    """What exploration weights make of a book's loans.

    Attributes
    ----------
    loans : approved by chance, with a propensity below 1.
    clipped : of them, with one below `PROPENSITY_MIN`.
    effective_loans : how many equally weighted loans tell as much as all of the book's under these weights.
    """

    loans: int
    clipped: int
    effective_loans: float

    @property
    def in_words(self) -> str:
        """The same for people."""
        return (
            f"{self.loans:,} loans approved by chance, {self.clipped:,} of them below {PROPENSITY_MIN:.0%} and counted as that; "
            f"together the book's loans tell as much as {self.effective_loans:,.0f} alike"
        )


def tell_exploration(loans: Loans) -> Explored:
    """What the weights do; the loans' propensities were checked before."""
    assert loans.propensities is not None
    return Explored(
        loans=int((loans.propensities < 1.0).sum()),
        clipped=int((loans.propensities < PROPENSITY_MIN).sum()),
        effective_loans=effective_loans(_weigh(loans).weights),
    )


def infer_rejects(prepare: Prepare, training_set: TrainingSet, inference: Inference | None) -> Prepare:
    """The same preparation, whose fits take the set's rejected applicants in or weigh its loans; itself where neither is asked for."""
    rejects = training_set.rejects
    if inference is not None and inference.variant is Variant.EXPLORATION_WEIGHTED:
        return _prepare_weighted(prepare)
    if inference is None or inference.variant is Variant.APPROVED_ONLY or rejects is None:
        return prepare

    def prepare_inferred(loans: Loans, place: str) -> Maker:
        make = prepare(loans, place)

        def make_inferred(part: Loans) -> Scorer:
            return make(_join(part, rejects, inference, make))

        return make_inferred

    return prepare_inferred


def _prepare_weighted(prepare: Prepare) -> Prepare:
    def prepare_weighted(loans: Loans, place: str) -> Maker:
        make = prepare(_weigh(loans), place)
        return lambda part: make(_weigh(part))

    return prepare_weighted


def check_inference(inference: Inference | None, training_set: TrainingSet) -> None:
    """Refused when a training set does not hold what the inference needs; the message says what does."""
    rejects = training_set.rejects
    if inference is None or inference.variant is Variant.APPROVED_ONLY:
        return
    if inference.variant is Variant.EXPLORATION_WEIGHTED:
        if training_set.propensities is None:
            raise Refused(
                "nothing tells a recorded propensity of approval: exploration-weighted training needs loans that were approved by a chance "
                "that was written down; name the attribute that holds it with --propensity, or take another --inference"
            )
        weight_by_exploration(training_set.weights, training_set.propensities)
        return
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
