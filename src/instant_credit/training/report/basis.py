"""What every section of the report reads: the test loans, the loans that they are compared with, and two ways to explain a score.

The final model is explained by interventional attributions against a *reference*, as decisions are. At training time there is no
policy, so the reference stands in for the loans that would be approved near a cut-off: of the loans fitted on, those in the riskiest
quarter below the score above which the riskiest fifth lies. Large books are sampled by a seeded draw, and every count says of how
many loans it is.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.policy.drafting.book import weighted_place
from instant_credit.score.model import CompiledModel, compile_model, explain_rows, leaf_counts, score_rows
from instant_credit.training.carrying import Calibrator
from instant_credit.training.report.drift import Split
from instant_credit.training.report.groups import Scored
from instant_credit.training.report.vintages import Vintages, find_vintages, take_vintages
from instant_credit.training.weights import relative_weights
from instant_credit.training.workshop import Training

DECLINED_SHARE: Final = 0.20
REFERENCE_SHARE: Final = 0.25
EXPLAINED_MAX: Final = 20_000
COMPARED_MAX: Final = 100_000
SAMPLE_SEED: Final = 20_240_301

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Progress = Callable[[str, int], None]


class ReferenceTold(Struct, frozen=True, kw_only=True):
    """The reference of the report: how many loans, and the raw scores (log-odds) between which they lie, to three decimals."""

    loans: int
    raw_from: float
    raw_to: float
    declined_share: float = DECLINED_SHARE
    reference_share: float = REFERENCE_SHARE


class Basis(Struct, frozen=True, kw_only=True, eq=False):
    """A training made ready to be told.

    Attributes
    ----------
    scored : the t test loans by models that did not see them.
    scored_fit : the loans fitted on, each by a model fitted without it; None where folds test every loan.
    vintages : of all n loans, codes int64[n].
    compared_rows : positions of the loans that `split` is about, all of them or a sample.
    raws_compared : float64, their raw scores, each by a model that did not see the loan.
    path_dependent, interventional : the final model under the two definitions.
    reference_counts : int64[leaves] of the reference.
    explained_rows : positions of test loans, at most `EXPLAINED_MAX`.
    explained_raws, contributions : float64[s] and float64[s, m] of those loans by the final model, interventional.
    """

    training: Training
    scored: Scored
    scored_fit: Scored | None
    vintages: Vintages
    compared_rows: Rows
    split: Split
    raws_compared: Floats
    path_dependent: CompiledModel
    interventional: CompiledModel
    reference: ReferenceTold
    reference_counts: NDArray[np.int64]
    explained_rows: Rows
    explained_raws: Floats
    contributions: Floats

    @property
    def explained_matrix(self) -> NDArray[np.float32]:
        """float32[s, m] of the explained loans."""
        return np.ascontiguousarray(self.training.training_set.matrix[self.explained_rows])

    @property
    def explained_weights(self) -> Floats:
        """float64[s] of the explained loans, 1 where all are equal."""
        return self.training.training_set.weights[self.explained_rows]


def make_basis(training: Training, progress: Progress = lambda _stage, _done: None) -> Basis:
    """Score, count the reference and explain."""
    progress("explain for the report", 0)
    training_set = training.training_set
    matrix, weights = training_set.matrix, training_set.weights
    path_dependent = compile_model(training.bundle.tables)
    sample = draw_rows(training.fit_rows, COMPARED_MAX)
    raws = score_rows(path_dependent, np.ascontiguousarray(matrix[sample]))
    is_reference = find_reference(raws, weights[sample])
    counts = leaf_counts(path_dependent, np.ascontiguousarray(matrix[sample[is_reference]]))
    interventional = compile_model(training.bundle.tables, counts)
    explained_rows = draw_rows(training.test_rows, EXPLAINED_MAX)
    explained_raws, contributions = explain_rows(interventional, np.ascontiguousarray(matrix[explained_rows]))
    vintages = find_vintages(training_set.days)
    compared_rows = draw_rows(np.arange(training_set.loans), COMPARED_MAX)
    return Basis(
        training=training,
        scored=Scored(
            pds=training.model.pds,
            scorecard_pds=training.scorecard_tested.pds,
            labels=training_set.labels[training.test_rows],
            weights=relative_weights(weights[training.test_rows]),
        ),
        scored_fit=_score_fit(training),
        vintages=vintages,
        compared_rows=compared_rows,
        split=_split(training, compared_rows, vintages),
        raws_compared=_gather_raws(training)[compared_rows],
        path_dependent=path_dependent,
        interventional=interventional,
        reference=ReferenceTold(
            loans=int(is_reference.sum()),
            raw_from=round(float(raws[is_reference].min()), 3),
            raw_to=round(float(raws[is_reference].max()), 3),
        ),
        reference_counts=counts,
        explained_rows=explained_rows,
        explained_raws=explained_raws,
        contributions=contributions,
    )


def find_reference(raw_scores: Floats, weights: Floats) -> NDArray[np.bool_]:
    """Which loans, bool[n], are the reference: the riskiest quarter, by weight, of those below the riskiest fifth.

    Loans of one score stay together. Where no loan lies below the riskiest fifth, as when most have one score, all are the reference.

    Parameters
    ----------
    raw_scores : float64[n], log-odds.
    weights : float64[n], above 0.
    """
    border = float(raw_scores[weighted_place(raw_scores, weights, 1.0 - DECLINED_SHARE)])
    is_below = raw_scores < border
    if not is_below.any():
        return np.ones(len(raw_scores), dtype=np.bool_)
    below = raw_scores[is_below]
    edge = float(below[weighted_place(below, weights[is_below], 1.0 - REFERENCE_SHARE)])
    return is_below & (raw_scores >= edge)


def draw_rows(rows: Rows, most: int) -> Rows:
    """At most `most` of `rows` int64[n], in their order, by a seeded draw; all of them when they are no more."""
    if len(rows) <= most:
        return rows
    chance = np.random.Generator(np.random.PCG64(SAMPLE_SEED))
    return rows[np.sort(chance.choice(len(rows), most, replace=False))]


def _is_tested_apart(training: Training) -> bool:
    """Whether the test loans are others than those fitted on."""
    return len(training.test_rows) < training.training_set.loans


def _score_fit(training: Training) -> Scored | None:
    if not _is_tested_apart(training):
        return None
    loans = training.training_set.take(training.fit_rows)
    calibrator = Calibrator(loans.columns, training.segment)
    pds, scorecard_pds = (
        calibrator.estimate(tested.calibrated, tested.fit_raws, loans)
        for tested in (training.model, training.scorecard_tested)
    )
    return Scored(
        pds=pds,
        scorecard_pds=scorecard_pds,
        labels=loans.labels,
        weights=relative_weights(loans.weights),
    )


def _split(training: Training, rows: Rows, vintages: Vintages) -> Split:
    """Drift counts from the loans fitted on; where folds test every loan, from the earlier half by day."""
    loans, days = training.training_set.loans, training.training_set.days
    is_base = np.ones(loans, dtype=np.bool_)
    if _is_tested_apart(training):
        is_base[training.test_rows] = False
    elif int(days[0]) < int(days[-1]):
        middle = int(days[loans // 2])
        is_base = days < middle if int(days[0]) < middle else days <= middle
    return Split(
        is_base=is_base[rows],
        is_later=~is_base[rows],
        vintages=take_vintages(vintages, rows),
        weights=relative_weights(training.training_set.weights[rows]),
    )


def _gather_raws(training: Training) -> Floats:
    """Raw scores float64[n], each by a model that did not see the loan."""
    raws = np.empty(training.training_set.loans)
    raws[training.fit_rows] = training.model.fit_raws
    raws[training.test_rows] = training.model.raws
    return raws
