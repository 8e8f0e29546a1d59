"""The variants of answering for declined applicants, side by side: the same loans, plan and parameters, one training each. Edge.

Every figure is of approved loans that no fit saw. They can't tell which variant is right about the declined, of whom no outcome is
known: what each says of them stands beside, and the spread between variants is how much the assumption matters.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.score.calibration import estimate_pds
from instant_credit.training.dataset import TrainingSet
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.inference import Explored, check_inference, tell_exploration
from instant_credit.training.intervals import Quality
from instant_credit.training.making import Progress
from instant_credit.training.plans import Plan, Wish
from instant_credit.training.selection_bias import Inference, Variant
from instant_credit.training.workshop import build_training


class Compared(Struct, frozen=True, kw_only=True):
    """One variant. `refused` says why it could not be trained; `quality` is of the test loans, `rejects_pd_mean` of the declined.

    `explored` says what the weights of exploration made of the loans; None of another variant.
    """

    inference: Inference
    refused: str | None = None
    quality: Quality | None = None
    rejects_pd_mean: float | None = None
    explored: Explored | None = None


def compare_variants(
    training_set: TrainingSet,
    plan: Plan | Wish,
    parameters: FitParameters | str,
    inferences: Sequence[Inference],
    progress: Progress = lambda _stage, _done: None,
) -> tuple[Compared, ...]:
    """Train each variant and measure it; nothing is recorded.

    Parameters
    ----------
    training_set : with its declined applicants.
    parameters : the same for all, or the name of a preset.

    Raises
    ------
    Refused : the plan or the loans do not allow a training at all.
    """
    return tuple(_compare(training_set, plan, parameters, one, progress) for one in inferences)


def _compare(
    training_set: TrainingSet,
    plan: Plan | Wish,
    parameters: FitParameters | str,
    inference: Inference,
    progress: Progress,
) -> Compared:
    try:
        check_inference(inference, training_set)
    except Refused as error:
        return Compared(inference=inference, refused=str(error))
    progress(inference.variant.value, 0)
    training = build_training(training_set, plan, parameters, inference=inference)
    rejects = training_set.rejects
    mean = None
    if rejects is not None and len(rejects.days):
        pds = estimate_pds(training.model.calibrated.table, training.fitted.score(rejects.matrix), None)
        mean = float(np.average(pds, weights=rejects.weights))
    is_explored = inference.variant is Variant.EXPLORATION_WEIGHTED
    return Compared(
        inference=inference,
        quality=training.model.quality,
        rejects_pd_mean=mean,
        explored=tell_exploration(training_set) if is_explored else None,
    )
