"""The workshop: a book becomes a model bundle and a report of how well it does on loans it never saw.

Two plans, both for the model and for the scorecard beside it, so that the two can be compared loan by loan:

*by date*   Test loans are those from `test_from` on; no loan of the test has a part in anything else. The final model is fitted on
            all loans before the test. Its calibration is fitted on the last months of those, on scores that each loan got from a
            model fitted without it: the loans before the test are dealt into five folds, and a fold is scored by a model of the
            other four. A model fitted only on what came before those months would be a worse stand-in for the final model: it has not
            seen what was new in them.
*by folds*  For books without dates. Each fold is scored by a model fitted on the others, and calibrated on the others' scores of
            that kind. The final model is fitted on all loans and calibrated on all those scores. A person is in one fold only.
"""

from collections.abc import Callable
from datetime import date
from typing import Final, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.access.actors import Actor
from instant_credit.application.document import encode_product
from instant_credit.application.product import Product
from instant_credit.canonical import hash_content
from instant_credit.errors import Refused, require
from instant_credit.record.documents import DocumentKind, put_documents
from instant_credit.record.pool import Record
from instant_credit.score.bundle import Bundle, encode_bundle
from instant_credit.score.calibration import Calibration, estimate_pds
from instant_credit.training.dataset import TrainingSet, gather_training_set
from instant_credit.training.fitting.calibrate import fit_calibration
from instant_credit.training.fitting.fit import FitParameters, FittedModel, fit_model
from instant_credit.training.fitting.scorecard import Scorecard, fit_scorecard
from instant_credit.training.intervals import Measured, Quality, measure_auc_difference, measure_quality
from instant_credit.training.manifest import (
    Part,
    PlanTold,
    TrainingManifest,
    encode_training,
    list_versions,
)
from instant_credit.units import add_months, date_from_days, days_from_date

CALIBRATION_MONTHS: Final = 6
CALIBRATION_FOLDS: Final = 5
FOLDS_MIN: Final = 2
FOLDS_MAX: Final = 20
_KIND_MIN: Final = 20
_FOLD_SEED: Final = 1

Rows = NDArray[np.int64]
Matrix = NDArray[np.float32]
Progress = Callable[[str, int], None]


class ByDate(Struct, frozen=True, kw_only=True):
    """Test on loans from `test_from` on, calibrate on the `calibration_months` before it."""

    test_from: date
    calibration_months: int = CALIBRATION_MONTHS

    @property
    def calibrate_from(self) -> date:
        """First day of the months that the calibration is fitted on."""
        return add_months(self.test_from, -self.calibration_months)


class ByFolds(Struct, frozen=True, kw_only=True):
    """Test on each of `folds` parts in turn."""

    folds: int


Plan = ByDate | ByFolds


class Tested(Struct, frozen=True, kw_only=True, eq=False):
    """One kind of model, carried through a plan; `pds` float64[t] are of the test loans."""

    calibration: Calibration
    pds: NDArray[np.float64]
    quality: Quality


class Training(Struct, frozen=True, kw_only=True, eq=False):
    """Everything that a report tells; `test_rows` are positions in the training set."""

    training_set: TrainingSet
    plan: Plan
    parameters: FitParameters
    parts: tuple[Part, ...]
    test_rows: Rows
    bundle: Bundle
    bundle_raw: bytes
    manifest: TrainingManifest
    fitted: FittedModel
    model: Tested
    scorecard: Scorecard
    scorecard_tested: Tested
    auc_difference: Measured

    @property
    def bundle_hash(self) -> str:
        """Content hash of the bundle."""
        return self.manifest.bundle_hash

    @property
    def training_hash(self) -> str:
        """Content hash of the manifest."""
        return hash_content(encode_training(self.manifest))


class Scorer(Protocol):
    """A fitted model of either kind."""

    def score(self, matrix: Matrix) -> NDArray[np.float64]:
        """Raw scores."""


Fit = Callable[[Matrix, NDArray[np.int8]], Scorer]


async def train(
    record: Record,
    *,
    book: str,
    product: Product,
    plan: Plan,
    known_on: date,
    actor: Actor,
    parameters: FitParameters = FitParameters(),  # noqa: B008 a frozen value
    progress: Progress = lambda _stage, _done: None,
) -> Training:
    """Train on a book and keep product, bundle and the training's manifest as documents in the record.

    Parameters
    ----------
    known_on : labels are what was known on this day.
    progress : told the stage's name and, while reading, how many Cases were read.

    Raises
    ------
    Refused : the book, the plan or the loans do not allow it; the message says why and what to do.
    """
    training_set = await gather_training_set(
        record, book=book, product=product, known_on=known_on, progress=lambda done: progress("read", done)
    )
    training = build_training(training_set, plan, parameters, progress)
    documents = [
        (DocumentKind.PRODUCT, encode_product(product)),
        (DocumentKind.MODEL, training.bundle_raw),
        (DocumentKind.TRAINING, encode_training(training.manifest)),
    ]
    stored = await put_documents(record, documents, actor)
    require(
        stored == (training_set.product_hash, training.bundle_hash, training.training_hash),
        "a document is stored under the hash of its bytes",
    )
    return training


def build_training(
    training_set: TrainingSet, plan: Plan, parameters: FitParameters, progress: Progress = lambda _stage, _done: None
) -> Training:
    """Fit, calibrate and test; a function of its arguments alone."""
    columns = training_set.columns
    fits: list[tuple[str, Fit]] = [
        ("fit the model", lambda matrix, labels: fit_model(matrix, labels, columns, parameters)),
        ("fit the scorecard", lambda matrix, labels: fit_scorecard(matrix, labels, columns)),
    ]
    parts, test_rows = _lay_out(training_set, plan)
    finals: list[Scorer] = []
    tested: list[Tested] = []
    for stage, fit in fits:
        progress(stage, 0)
        if isinstance(plan, ByDate):
            final, calibration, pds = _carry_by_date(training_set, plan, fit)
        else:
            final, calibration, pds = _carry_by_folds(training_set, plan, fit)
        finals.append(final)
        tested.append(
            Tested(calibration=calibration, pds=pds, quality=measure_quality(pds, training_set.labels[test_rows]))
        )
    fitted, scorecard = finals
    assert isinstance(fitted, FittedModel)
    assert isinstance(scorecard, Scorecard)
    bundle = Bundle(
        product_hash=training_set.product_hash,
        variables=columns.names,
        categories=columns.categories,
        directions=columns.directions,
        tables=fitted.tables,
        calibration=tested[0].calibration,
    )
    bundle_raw = encode_bundle(bundle)
    progress("measure", 0)
    return Training(
        training_set=training_set,
        plan=plan,
        parameters=parameters,
        parts=parts,
        test_rows=test_rows,
        bundle=bundle,
        bundle_raw=bundle_raw,
        manifest=_describe_training(training_set, plan, parameters, parts, hash_content(bundle_raw)),
        fitted=fitted,
        model=tested[0],
        scorecard=scorecard,
        scorecard_tested=tested[1],
        auc_difference=measure_auc_difference(tested[0].pds, tested[1].pds, training_set.labels[test_rows]),
    )


def _describe_training(
    training_set: TrainingSet, plan: Plan, parameters: FitParameters, parts: tuple[Part, ...], bundle_hash: str
) -> TrainingManifest:
    return TrainingManifest(
        bundle_hash=bundle_hash,
        book=training_set.book,
        product=training_set.product.name,
        product_hash=training_set.product_hash,
        plan=PlanTold(kind="by_date", test_from=plan.test_from.isoformat(), calibration_months=plan.calibration_months)
        if isinstance(plan, ByDate)
        else PlanTold(kind="by_folds", folds=plan.folds),
        known_on=training_set.known_on,
        parameters=parameters,
        versions=list_versions(),
        cases=training_set.cases,
        left_out=training_set.left_out,
        parts=parts,
    )


def _lay_out(training_set: TrainingSet, plan: Plan) -> tuple[tuple[Part, ...], Rows]:
    """The parts and the test rows; refuses parts too small to tell anything."""
    every_row = np.arange(training_set.loans)
    if isinstance(plan, ByFolds):
        if not FOLDS_MIN <= plan.folds <= FOLDS_MAX:
            raise Refused(f"folds must be {FOLDS_MIN} to {FOLDS_MAX}")
        folds = deal_folds(training_set.persons, plan.folds)
        advice = "Take fewer --folds, or a book with more resolved loans"
        for fold in range(plan.folds):
            _describe(training_set, f"fold {fold + 1}", every_row[folds == fold], advice)
        return (_describe(training_set, "fit, calibrate and test in folds", every_row, advice),), every_row
    if plan.calibration_months < 1:
        raise Refused("calibration takes at least one month")
    calibrate, test = (days_from_date(day) for day in (plan.calibrate_from, plan.test_from))
    days = training_set.days
    advice = "Move --test-from, take more --calibration-months, or use --folds"
    parts = (
        _describe(training_set, "fit", every_row[days < test], advice),
        _describe(training_set, "calibrate, of these", every_row[(days >= calibrate) & (days < test)], advice),
        _describe(training_set, "test", every_row[days >= test], advice),
    )
    return parts, every_row[days >= test]


def _describe(training_set: TrainingSet, name: str, rows: Rows, advice: str) -> Part:
    bads = int(training_set.labels[rows].sum())
    if min(bads, len(rows) - bads) < _KIND_MIN:
        raise Refused(
            f"{name}: {len(rows)} loans, {bads} of them bad; at least {_KIND_MIN} good and {_KIND_MIN} bad ones are "
            f"needed. {advice}"
        )
    days = training_set.days[rows]
    return Part(
        name=name,
        loans=len(rows),
        bads=bads,
        first_on=date_from_days(int(days.min())),
        last_on=date_from_days(int(days.max())),
    )


def deal_folds(persons: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Fold of each loan, int64[n] in [0, folds): persons int64[n], numbered from 0, are dealt out by a fixed shuffle."""
    dealt = np.random.Generator(np.random.PCG64(_FOLD_SEED)).permutation(int(persons.max()) + 1) % folds
    return dealt[persons].astype(np.int64)


def _carry_by_date(
    training_set: TrainingSet, plan: ByDate, fit: Fit
) -> tuple[Scorer, Calibration, NDArray[np.float64]]:
    """Final model, calibration and pds of the test loans."""
    days = training_set.days
    calibrate, test = (int(np.searchsorted(days, days_from_date(day))) for day in (plan.calibrate_from, plan.test_from))
    matrix, labels = training_set.matrix[:test], training_set.labels[:test]
    raw_scores = _score_by_folds(matrix, labels, deal_folds(training_set.persons[:test], CALIBRATION_FOLDS), fit)
    calibration = fit_calibration(raw_scores[calibrate:], labels[calibrate:])
    final = fit(matrix, labels)
    return final, calibration, estimate_pds(calibration, final.score(training_set.matrix[test:]))


def _carry_by_folds(
    training_set: TrainingSet, plan: ByFolds, fit: Fit
) -> tuple[Scorer, Calibration, NDArray[np.float64]]:
    """Final model, calibration and pds of all loans, each from a model that did not see it."""
    matrix, labels = training_set.matrix, training_set.labels
    folds = deal_folds(training_set.persons, plan.folds)
    raw_scores = _score_by_folds(matrix, labels, folds, fit)
    pds = np.empty(training_set.loans)
    for fold in range(plan.folds):
        is_held = folds == fold
        calibration = fit_calibration(raw_scores[~is_held], labels[~is_held])
        pds[is_held] = estimate_pds(calibration, np.ascontiguousarray(raw_scores[is_held]))
    return fit(matrix, labels), fit_calibration(raw_scores, labels), pds


def _score_by_folds(
    matrix: Matrix, labels: NDArray[np.int8], folds: NDArray[np.int64], fit: Fit
) -> NDArray[np.float64]:
    """Raw scores float64[n], each of a model fitted on the other folds."""
    raw_scores = np.empty(len(matrix))
    for fold in range(int(folds.max()) + 1):
        is_held = folds == fold
        scorer = fit(np.ascontiguousarray(matrix[~is_held]), labels[~is_held])
        raw_scores[is_held] = scorer.score(np.ascontiguousarray(matrix[is_held]))
    return raw_scores
