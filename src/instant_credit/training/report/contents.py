"""The report's contents: every figure that the page tells, as one document.

It is a function of the `Training` alone: no clock, no machine, no person. Where loans were sampled for the book, figures count each by
its weight, and counts of loans are counts of rows.
"""

from typing import Final, Literal

import msgspec
import numpy as np
from msgspec import Struct

from instant_credit.outcome.drift import PSI_ACT, PSI_WATCH
from instant_credit.score.points import Scale
from instant_credit.training.dataset import LeftOut
from instant_credit.training.fitting.calibrate import Calibrated
from instant_credit.training.fitting.choice import Choice
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.fitting.selection import Selection
from instant_credit.training.fitting.space import Search
from instant_credit.training.intervals import CONFIDENCE, Measured, Quality, measure_bad_rate
from instant_credit.training.plans import ByDate, ByFolds, ByShare, Part, PlanTold
from instant_credit.training.report.basis import Basis, Progress
from instant_credit.training.report.calibration import CalibrationLine, measure_calibration
from instant_credit.training.report.directions import DirectionTold, tell_directions
from instant_credit.training.report.drift import SCORE, VariableDrift, measure_drift
from instant_credit.training.report.effects import CaseTold, NotUsed, VariableTold, tell_cases, tell_variables
from instant_credit.training.report.gains import Band, Gain, count_points, list_bands, list_gains
from instant_credit.training.report.groups import (
    SEGMENT_VARIABLES_MAX,
    Group,
    Segments,
    list_segments,
    list_vintages,
)
from instant_credit.training.report.leavings import list_attributes_not_used, list_variables_not_used
from instant_credit.training.report.reasons import ReasonsTold, tell_reasons
from instant_credit.training.report.vintages import take_vintages
from instant_credit.training.report.yardstick import ScorecardTold, tell_scorecard
from instant_credit.training.workshop import Tested

_SELECTED: Final = (
    "A book holds loans that were granted. Applicants who were declined or did not take the loan up are not in it, so the figures "
    "say nothing sure about applicants unlike those who got a loan."
)
_INTERVALS: Final = "Intervals cover the chance of which loans were drawn into the test. They do not cover a changing world or the chance in fitting."
_CARRIED_BY_DATE: Final = (
    "The calibration belongs to models fitted on four fifths of the loans before the test, the final model was fitted on all of them; "
    "the chart of expected and observed rates shows how well it carries over."
)
_CARRIED_APART: Final = "The test loans were drawn by chance from the same time as the others, so these figures do not show how the model ages."
_CARRIED_BY_FOLDS: Final = (
    "Folds mix early and late loans, so these figures do not show how the model ages. The final model was fitted on all loans; the "
    "figures are of models fitted on a part of them."
)
_WEIGHTED: Final = (
    "The book is a sample: each loan counts by its sampling weight in every rate, mean and measure, so that figures are those of the "
    "lender's loans. Numbers of loans are numbers of rows; intervals take the effective number of loans."
)


class VintageCount(Struct, frozen=True, kw_only=True):
    """Loans of one vintage, used and tested."""

    name: str
    loans: int
    bads: int
    tested: int
    bad_rate: Measured


class DataTold(Struct, frozen=True, kw_only=True):
    """What the loans are like and how they change.

    Attributes
    ----------
    compared : in words, which loans are compared with which; empty where the book has neither dates nor loans apart.
    drift_loans : how many loans drift was counted on, a sample of a very large book.
    score_drift, drift : of the raw score, each by a model that did not see the loan; of each model variable, the largest first.
    """

    is_weighted: bool
    vintages: tuple[VintageCount, ...]
    compared: str
    drift_loans: int
    psi_watch: float = PSI_WATCH
    psi_act: float = PSI_ACT
    score_drift: VariableDrift
    drift_vintages: tuple[str, ...]
    drift: tuple[VariableDrift, ...]


class Measures(Struct, frozen=True, kw_only=True):
    """Model or scorecard on the test loans."""

    quality: Quality
    calibrated: Calibrated
    line: CalibrationLine | None
    gains: tuple[Gain, ...]


class Report(Struct, frozen=True, kw_only=True):
    """Everything that the page tells."""

    schema_version: Literal[2] = 2
    bundle_hash: str
    training_hash: str
    product: str
    product_hash: str
    book: str
    known_on: str
    confidence: float = CONFIDENCE
    plan: PlanTold
    plan_why: str
    parts: tuple[Part, ...]
    cases: int
    cases_left_out: tuple[LeftOut, ...]
    data: DataTold
    model: Measures
    scorecard: Measures
    auc_difference: Measured
    segment_variable: str | None
    scale: Scale
    bands: tuple[Band, ...]
    vintages_fitted: tuple[Group, ...]
    vintages_tested: tuple[Group, ...]
    segments: tuple[Segments, ...]
    parameters: FitParameters
    choice: Choice | None
    search: Search | None
    selection: Selection | None
    fold_selections: tuple[Selection, ...]
    trees: int
    explained: int
    variables: tuple[VariableTold, ...]
    directions: tuple[DirectionTold, ...]
    cases_told: tuple[CaseTold, ...]
    reasons: ReasonsTold
    scorecard_points: ScorecardTold
    variables_not_used: tuple[NotUsed, ...]
    attributes_not_used: tuple[NotUsed, ...]
    not_told: tuple[str, ...]
    versions: dict[str, str]


def encode_report(report: Report) -> bytes:
    """JSON with keys in one order, laid out for people."""
    return msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2) + b"\n"


def make_report(basis: Basis, progress: Progress = lambda _stage, _done: None) -> Report:
    """The figures of a training."""
    training = basis.training
    training_set, manifest, scored = training.training_set, training.manifest, basis.scored
    progress("drift", 0)
    data = _tell_data(basis)
    progress("vintages and segments", 0)
    fitted, tested = _list_vintages(basis)
    segments = _list_segments(basis)
    progress("reasons", 0)
    reasons = tell_reasons(basis)
    points = count_points(scored.pds, training.bundle.scale)
    return Report(
        bundle_hash=training.bundle_hash,
        training_hash=training.training_hash,
        product=training_set.product.name,
        product_hash=training_set.product_hash,
        book=training_set.book,
        known_on=training_set.known_on.isoformat(),
        plan=manifest.plan,
        plan_why=training.plan_why,
        parts=manifest.parts,
        cases=training_set.cases,
        cases_left_out=training_set.left_out,
        data=data,
        model=_measure(basis, training.model),
        scorecard=_measure(basis, training.scorecard_tested),
        auc_difference=training.auc_difference,
        segment_variable=training.segment,
        scale=training.bundle.scale,
        bands=list_bands(points, scored.pds, scored.labels, scored.weights),
        vintages_fitted=fitted,
        vintages_tested=tested,
        segments=segments,
        parameters=training.parameters,
        choice=training.choice,
        search=training.search,
        selection=training.selection,
        fold_selections=training.fold_selections,
        trees=training.bundle.tables.tree_count,
        explained=len(basis.explained_rows),
        variables=tell_variables(basis),
        directions=tell_directions(training),
        cases_told=tell_cases(basis),
        reasons=reasons,
        scorecard_points=tell_scorecard(training),
        variables_not_used=list_variables_not_used(basis),
        attributes_not_used=list_attributes_not_used(training_set.product),
        not_told=_list_not_told(basis),
        versions=manifest.versions,
    )


def _measure(basis: Basis, tested: Tested) -> Measures:
    labels, weights = basis.scored.labels, basis.scored.weights
    return Measures(
        quality=tested.quality,
        calibrated=tested.calibrated,
        line=measure_calibration(tested.pds, labels, weights),
        gains=list_gains(tested.pds, labels, weights),
    )


def _tell_data(basis: Basis) -> DataTold:
    training = basis.training
    training_set, split = training.training_set, basis.split
    names, categories = training_set.columns.names, training_set.columns.categories
    drift = [
        measure_drift(name, training_set.matrix[basis.compared_rows, j].astype(np.float64), split, len(categories[j]))
        for j, name in enumerate(names)
    ]
    is_tested = np.zeros(training_set.loans, dtype=np.bool_)
    is_tested[training.test_rows] = True
    counts = []
    for code, name in enumerate(basis.vintages.names):
        mask = basis.vintages.codes == code
        labels = training_set.labels[mask]
        counts.append(
            VintageCount(
                name=name,
                loans=int(mask.sum()),
                bads=int(labels.sum()),
                tested=int(is_tested[mask].sum()),
                bad_rate=measure_bad_rate(labels, training_set.weights[mask]),
            )
        )
    compared = ""
    if split.is_later.any():
        by_half = isinstance(training.plan, ByFolds)
        compared = (
            "the earlier half of the loans with the later half"
            if by_half
            else "the loans fitted on with the test loans"
        )
    return DataTold(
        is_weighted=training_set.is_weighted,
        vintages=tuple(counts),
        compared=compared,
        drift_loans=len(basis.compared_rows),
        score_drift=measure_drift(SCORE, basis.raws_compared, split),
        drift_vintages=split.vintages.names if split.vintages.count > 1 else (),
        drift=tuple(sorted(drift, key=lambda one: (-one.size, one.name))),
    )


def _list_vintages(basis: Basis) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """Of loans fitted on and of test loans; none for a book of one vintage."""
    training = basis.training
    if basis.vintages.count < 2:
        return (), ()
    tested = list_vintages(basis.scored, take_vintages(basis.vintages, training.test_rows))
    if basis.scored_fit is None:
        return (), tested
    return list_vintages(basis.scored_fit, take_vintages(basis.vintages, training.fit_rows)), tested


def _list_segments(basis: Basis) -> tuple[Segments, ...]:
    """Test loans by the category that pds are calibrated by, then by the model's other categories."""
    training = basis.training
    columns, matrix = training.training_set.columns, training.training_set.matrix
    by_calibration = [name for name in columns.names if name == training.segment]
    others = [
        name
        for name, categories in zip(columns.names, columns.categories, strict=True)
        if categories and name != training.segment
    ]
    told: list[Segments] = []
    for name in [*by_calibration, *others]:
        if len(told) == SEGMENT_VARIABLES_MAX:
            break
        position = columns.names.index(name)
        segments = list_segments(
            basis.scored,
            list(columns.categories[position]),
            matrix[training.test_rows, position].astype(np.int64),
            variable=name,
            has_calibration=name == training.segment,
        )
        if segments is not None:
            told.append(segments)
    return tuple(told)


def _list_not_told(basis: Basis) -> tuple[str, ...]:
    """What the figures do not say."""
    training = basis.training
    known_on = training.training_set.known_on.isoformat()
    notes = [_WEIGHTED] if training.training_set.is_weighted else []
    notes += [
        _SELECTED,
        _INTERVALS,
        f"Labels are what was known on {known_on}; nothing is said about when a loan went bad, or how much was lost.",
        "Texts that borrowers wrote are never read, shown or kept as facts.",
        "Fairness between groups is not measured here.",
    ]
    carried: dict[type, str] = {ByDate: _CARRIED_BY_DATE, ByShare: _CARRIED_APART, ByFolds: _CARRIED_BY_FOLDS}
    notes.append(carried[type(training.plan)])
    return tuple(notes)
