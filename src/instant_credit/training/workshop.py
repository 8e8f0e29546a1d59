"""The workshop: a book becomes a model bundle and a report of how well it does on loans it never saw.

    book -> training set -> for the model and for the scorecard beside it, over the same loans (see `plans`):
        prepare (choose or search parameters within the loans fitted on) -> fit, also without each fold -> calibrate -> test
    -> bundle, manifest, figures

Whatever is learned (parameters, selected variables, trees, calibration) is learned from the loans fitted on alone; model and scorecard
are tested on the same loans, so that the two can be compared loan by loan.
"""

from datetime import date
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.access.actors import Actor
from instant_credit.application.document import encode_product
from instant_credit.application.product import Product
from instant_credit.canonical import hash_content
from instant_credit.errors import require
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition, encode_definition
from instant_credit.record.documents import DocumentKind, put_documents
from instant_credit.record.pool import Record
from instant_credit.record.queue_steps import UNKEPT, Steps, form_of
from instant_credit.score.bundle import Bundle, encode_bundle
from instant_credit.score.calibration import Calibration
from instant_credit.score.proof import prove_bundle
from instant_credit.training.carrying import Calibrator, Carried, Kind, carry_model
from instant_credit.training.dataset import Loans, TrainingSet, gather_training_set
from instant_credit.training.digest import digest_loans, digest_rejects
from instant_credit.training.fitting.calibrate import Calibrated
from instant_credit.training.fitting.choice import Choice
from instant_credit.training.fitting.fit import FitParameters, FittedModel, Watch
from instant_credit.training.fitting.scorecard import Scorecard
from instant_credit.training.fitting.search import Searching
from instant_credit.training.fitting.selection import Selection, SelectOptions
from instant_credit.training.fitting.space import Search
from instant_credit.training.forms import BUNDLE, MODEL, SCORECARD
from instant_credit.training.inference import check_inference, choose_weights, infer_rejects, name_propensity
from instant_credit.training.intervals import Measured, Quality, measure_auc_difference, measure_quality
from instant_credit.training.leaks import refuse_tellers
from instant_credit.training.making import ModelMaker, Progress, ScorecardMaker, make_searcher
from instant_credit.training.manifest import TrainingManifest, encode_training, list_versions
from instant_credit.training.plans import (
    ByDate,
    ByFolds,
    Part,
    Plan,
    Rows,
    Wish,
    choose_plan,
    deal_folds,
    describe_parts,
    divide,
    tell_plan,
)
from instant_credit.training.selection_bias import Inference

Floats = NDArray[np.float64]


class Figures(Struct, frozen=True, kw_only=True):
    """What the test measured: of the model, of the scorecard, and the model's AUC less the scorecard's."""

    model: Quality
    scorecard: Quality
    auc_difference: Measured


_FIGURES: Final = form_of(Figures)


class Tested(Struct, frozen=True, kw_only=True, eq=False):
    """One kind of model, carried through a plan.

    Attributes
    ----------
    calibrated : the final model's calibrations, overall and by segment, with their errors.
    raws, pds : float64[t] of the test loans, each by a model that was not fitted on it.
    fit_raws : float64[f] raw scores of the loans that the final model was fitted on, each by a model fitted without it.
    """

    calibrated: Calibrated
    raws: Floats
    pds: Floats
    fit_raws: Floats
    quality: Quality

    @property
    def calibration(self) -> Calibration:
        """The overall calibration."""
        return self.calibrated.calibration


class Training(Struct, frozen=True, kw_only=True, eq=False):
    """Everything that a report tells.

    Attributes
    ----------
    training_set : holds each loan's day, person and weight, in the order that all rows below refer to.
    plan_why : in words, what is tested on and why that.
    parameters : of the final model; chosen or searched for unless they were given.
    test_rows : int64[t] positions of the test loans.
    test_folds : int64[t] which fold a test loan lies in; 0 when there is one test.
    fit_rows : int64[f] positions of the loans that the final model was fitted on.
    segment : the category variable that the calibration goes by, None = there is none.
    choice, search, selection : how parameters and variables of the final model came about; None where that was not asked for.
    fold_selections : of the models that scored the test by folds, fold by fold.
    """

    training_set: TrainingSet
    plan: Plan
    plan_why: str
    parameters: FitParameters
    parts: tuple[Part, ...]
    test_rows: Rows
    test_folds: NDArray[np.int64]
    fit_rows: Rows
    segment: str | None
    choice: Choice | None
    search: Search | None
    selection: Selection | None
    fold_selections: tuple[Selection, ...]
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

    @property
    def segment_codes(self) -> NDArray[np.int64] | None:
        """Each loan's category of the segment variable, int64[n], -1 = missing; None without one."""
        if self.segment is None:
            return None
        position = self.training_set.columns.names.index(self.segment)
        return self.training_set.matrix[:, position].astype(np.int64)


async def train(
    record: Record,
    *,
    book: str,
    product: Product,
    plan: Plan | Wish,
    known_on: date,
    actor: Actor,
    definition: LabelDefinition = AS_LAST_SEEN,
    trusted: tuple[str, ...] = (),
    inference: Inference | None = None,
    parameters: FitParameters | str | None = None,
    segment: str | None = None,
    searching: Searching | None = None,
    selecting: SelectOptions | None = None,
    progress: Progress = lambda _stage, _done: None,
    watch: Watch | None = None,
) -> Training:
    """Train on a book and keep product, label definition, bundle and the training's manifest as documents in the record.

    Parameters
    ----------
    plan : a plan, or what is wished for of one; `Wish()` takes the one that suits the book.
    known_on, definition : Cases and labels are what was known on this day; what the labels mean.
    trusted : variables that may tell the outcome alone, because they were known in time for certain.
    inference : how declined applicants are brought in; None = not at all.
    parameters : or the name of a preset; None = the preset that suits the loans best.
    segment : a category variable by which the calibration goes; None = one calibration.
    searching : search for parameters, starting from the presets; what is not searched for is taken from `parameters`.
    selecting : select variables first, in each fold for itself; None = a model may split on all of them.
    progress, watch : told the stage and how many Cases were read; told after each tree, but for those of a search's trials.

    Raises
    ------
    Refused : the book, the plan or the loans do not allow it; the message says why and what to do.
    """
    training_set = await gather_training_set(
        record,
        book=book,
        product=product,
        known_on=known_on,
        definition=definition,
        with_rejects=inference is not None,
        propensity=name_propensity(inference),
        progress=lambda done: progress("read", done),
    )
    refuse_tellers(training_set, trusted)
    training = build_training(
        training_set,
        plan,
        parameters,
        progress,
        segment=segment,
        searching=searching,
        selecting=selecting,
        inference=inference,
        watch=watch,
    )
    await record_training(record, training, actor)
    return training


async def record_training(record: Record, training: Training, actor: Actor) -> None:
    """Keep product, label definition, bundle and manifest, all of them or none."""
    training_set = training.training_set
    documents = [
        (DocumentKind.PRODUCT, encode_product(training_set.product)),
        (DocumentKind.LABELS, encode_definition(training_set.definition)),
        (DocumentKind.MODEL, training.bundle_raw),
        (DocumentKind.TRAINING, encode_training(training.manifest)),
    ]
    stored = await put_documents(record, documents, actor)
    require(
        stored == (training_set.product_hash, training_set.labels_hash, training.bundle_hash, training.training_hash),
        "a document is stored under the hash of its bytes",
    )


def build_training(
    training_set: TrainingSet,
    wish: Plan | Wish,
    parameters: FitParameters | str | None = None,
    progress: Progress = lambda _stage, _done: None,
    *,
    segment: str | None = None,
    searching: Searching | None = None,
    selecting: SelectOptions | None = None,
    inference: Inference | None = None,
    watch: Watch | None = None,
    steps: Steps = UNKEPT,
) -> Training:
    """Fit, calibrate and test; a function of its arguments, but for a search's minutes. `steps` keeps what finishes and finished."""
    check_inference(inference, training_set)
    plan, plan_why = choose_plan(training_set, wish) if isinstance(wish, Wish) else (wish, "as asked for")
    parts = describe_parts(training_set, plan)
    searcher = None if searching is None else make_searcher(searching, plan)
    by_date = isinstance(plan, ByDate)
    model = ModelMaker(
        parameters, progress, steps, searcher=searcher, selecting=selecting, by_date=by_date, watch=watch
    )
    carried_model, carried_scorecard = _carry_both(
        training_set, plan, model, segment, inference=inference, progress=progress, steps=steps
    )
    fitted, scorecard = carried_model.final, carried_scorecard.final
    assert isinstance(fitted, FittedModel)
    assert isinstance(scorecard, Scorecard)
    fit_rows, test_rows, test_folds = _list_rows(training_set, plan)
    test = training_set.take(test_rows)
    figures = steps.take("test", lambda: _measure(carried_model, carried_scorecard, test), _FIGURES)
    bundle = steps.take("bundle", lambda: _make_bundle(training_set, fitted, carried_model.calibrated, segment), BUNDLE)
    bundle_raw = encode_bundle(bundle)
    manifest = _describe_training(
        training_set, plan, model, segment=segment, parts=parts, bundle_raw=bundle_raw, inference=inference
    )
    return Training(
        training_set=training_set,
        plan=plan,
        plan_why=plan_why,
        parameters=model.final.parameters,
        parts=parts,
        test_rows=test_rows,
        test_folds=test_folds,
        fit_rows=fit_rows,
        segment=segment,
        choice=model.final.choice,
        search=model.final.search,
        selection=model.final.selection,
        fold_selections=model.selections[:-1],
        bundle=bundle,
        bundle_raw=bundle_raw,
        manifest=manifest,
        fitted=fitted,
        model=_tell(carried_model, figures.model),
        scorecard=scorecard,
        scorecard_tested=_tell(carried_scorecard, figures.scorecard),
        auc_difference=figures.auc_difference,
    )


def _carry_both(
    training_set: TrainingSet,
    plan: Plan,
    model: ModelMaker,
    segment: str | None,
    *,
    inference: Inference | None,
    progress: Progress,
    steps: Steps,
) -> tuple[Carried, Carried]:
    """The model and the scorecard beside it."""
    calibrator = Calibrator(training_set.columns, segment, reweigh=choose_weights(inference))
    kind = Kind(name="model", prepare=infer_rejects(model.prepare, training_set, inference), steps=steps, form=MODEL)
    carried = carry_model(training_set, plan, kind, calibrator)
    progress("fit the scorecard", 0)
    card = ScorecardMaker(model.selections)
    kind = Kind(
        name="scorecard", prepare=infer_rejects(card.prepare, training_set, inference), steps=steps, form=SCORECARD
    )
    carried_card = carry_model(training_set, plan, kind, calibrator)
    progress("measure", 0)
    return carried, carried_card


def _make_bundle(training_set: TrainingSet, fitted: FittedModel, calibrated: Calibrated, segment: str | None) -> Bundle:
    columns = training_set.columns
    bundle = Bundle(
        product_hash=training_set.product_hash,
        variables=columns.names,
        categories=columns.categories,
        directions=columns.directions,
        tables=fitted.tables,
        calibration=calibrated.calibration,
        segment_variable=segment,
        segment_calibrations=calibrated.segment_calibrations,
    )
    return prove_bundle(bundle)


def _describe_training(
    training_set: TrainingSet,
    plan: Plan,
    model: ModelMaker,
    *,
    segment: str | None,
    parts: tuple[Part, ...],
    bundle_raw: bytes,
    inference: Inference | None,
) -> TrainingManifest:
    return TrainingManifest(
        bundle_hash=hash_content(bundle_raw),
        book=training_set.book,
        product=training_set.product.name,
        product_hash=training_set.product_hash,
        training_set=digest_loans(training_set),
        plan=tell_plan(plan),
        known_on=training_set.known_on,
        labels=training_set.labels_hash,
        inference=inference,
        rejects=None if training_set.rejects is None else digest_rejects(training_set.rejects),
        segment=segment,
        parameters=model.final.parameters,
        choice=model.final.choice,
        search=model.final.search,
        fold_searches=model.searches[:-1],
        selection=model.final.selection,
        fold_selections=model.selections[:-1],
        versions=list_versions(with_search=model.final.search is not None),
        cases=training_set.cases,
        left_out=training_set.left_out,
        parts=parts,
    )


def _list_rows(loans: Loans, plan: Plan) -> tuple[Rows, Rows, NDArray[np.int64]]:
    """Rows fitted on by the final model, test rows, and the fold of each test row."""
    if isinstance(plan, ByFolds):
        every_row = np.arange(loans.loans)
        return every_row, every_row, deal_folds(loans.persons, plan.folds)
    divided = divide(loans, plan)
    return divided.fit_rows, divided.test_rows, np.zeros(len(divided.test_rows), dtype=np.int64)


def _measure(model: Carried, scorecard: Carried, test: Loans) -> Figures:
    return Figures(
        model=measure_quality(model.pds, test.labels, test.weights),
        scorecard=measure_quality(scorecard.pds, test.labels, test.weights),
        auc_difference=measure_auc_difference(model.pds, scorecard.pds, test.labels, test.weights),
    )


def _tell(carried: Carried, quality: Quality) -> Tested:
    return Tested(
        calibrated=carried.calibrated,
        raws=carried.raws,
        pds=carried.pds,
        fit_raws=carried.fit_raws,
        quality=quality,
    )
