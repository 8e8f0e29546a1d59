"""The report of a training: one HTML page that opens from disk, and the same figures as JSON beside it.

Both are functions of the `Training` alone: no clock, no machine, no row of a person. The page loads nothing; charts are inline SVG.
"""

from collections.abc import Mapping
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.product import Direction, Legal, Product
from instant_credit.score.calibration import Calibration
from instant_credit.score.model import explain_rows
from instant_credit.score.points import points_at
from instant_credit.training.dataset import LeftOut
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.fitting.scorecard import BinnedVariable
from instant_credit.training.intervals import CONFIDENCE, Measured, Quality
from instant_credit.training.manifest import Part, PlanTold
from instant_credit.training.report.charts import draw_calibration, draw_points, draw_roc
from instant_credit.training.workshop import ByDate, Training

HTML_NAME: Final = "report.html"
JSON_NAME: Final = "report.json"
_EXPLAINED_MAX: Final = 20_000
_SELECTED: Final = (
    "A book holds loans that were granted. Applicants who were declined or did not take the loan up are not in it, so the figures "
    "say nothing sure about applicants unlike those who got a loan."
)
_INTERVALS: Final = "Intervals cover the chance of which loans were drawn into the test. They do not cover a changing world or the chance in fitting."
_CARRIED_BY_DATE: Final = (
    "The calibration belongs to models fitted on four fifths of the loans before the test, the final model was fitted on all of them; "
    "the chart of expected and observed rates shows how well it carries over."
)
_CARRIED_BY_FOLDS: Final = (
    "Folds mix early and late loans, so these figures do not show how the model ages. The final model was fitted on all loans; the "
    "figures are of models fitted on a part of them."
)


class VariableTold(Struct, frozen=True, kw_only=True):
    """A variable of the model. `importance` is its mean absolute contribution to the log-odds of the test loans."""

    name: str
    family: str
    direction: Direction
    why: str
    missing_share: float
    importance: float


class NotUsed(Struct, frozen=True, kw_only=True):
    """An attribute or variable that has no part in the score, and why."""

    name: str
    reason: str


class BinTold(Struct, frozen=True, kw_only=True):
    """A bin of the scorecard: `weight` is its log-odds of default less that of all loans."""

    values: str
    weight: float


class ScorecardVariable(Struct, frozen=True, kw_only=True):
    """A variable of the scorecard."""

    name: str
    coefficient: float
    information: float
    bins: tuple[BinTold, ...]


class Report(Struct, frozen=True, kw_only=True):
    """Everything that the page tells."""

    schema_version: Literal[1] = 1
    bundle_hash: str
    training_hash: str
    product: str
    product_hash: str
    book: str
    known_on: str
    confidence: float = CONFIDENCE
    plan: PlanTold
    parts: tuple[Part, ...]
    cases: int
    cases_left_out: tuple[LeftOut, ...]
    model: Quality
    scorecard: Quality
    auc_difference: Measured
    calibration: Calibration
    scorecard_calibration: Calibration
    parameters: FitParameters
    trees: int
    variables: tuple[VariableTold, ...]
    variables_not_used: tuple[NotUsed, ...]
    attributes_not_used: tuple[NotUsed, ...]
    scorecard_variables: tuple[ScorecardVariable, ...]
    scorecard_intercept: float
    not_told: tuple[str, ...]
    versions: dict[str, str]


class ReportPaths(Struct, frozen=True, kw_only=True):
    """Where the report was written."""

    html: Path
    json: Path


def write_report(training: Training, folder: Path) -> ReportPaths:
    """Write page and JSON into `folder`, which is made when it is not there; older ones of the same name are replaced whole."""
    report = make_report(training)
    folder.mkdir(parents=True, exist_ok=True)
    paths = ReportPaths(html=folder / HTML_NAME, json=folder / JSON_NAME)
    for path, raw in ((paths.json, encode_report(report)), (paths.html, render_page(report, training).encode())):
        draft = path.with_name(path.name + ".part")
        draft.write_bytes(raw)
        draft.replace(path)
    return paths


def encode_report(report: Report) -> bytes:
    """JSON with keys in one order, laid out for people."""
    return msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2) + b"\n"


def make_report(training: Training) -> Report:
    """The figures of a training."""
    training_set, manifest = training.training_set, training.manifest
    used, not_used = _list_variables(training)
    return Report(
        bundle_hash=training.bundle_hash,
        training_hash=training.training_hash,
        product=training_set.product.name,
        product_hash=training_set.product_hash,
        book=training_set.book,
        known_on=training_set.known_on.isoformat(),
        plan=manifest.plan,
        parts=manifest.parts,
        cases=training_set.cases,
        cases_left_out=training_set.left_out,
        model=training.model.quality,
        scorecard=training.scorecard_tested.quality,
        auc_difference=training.auc_difference,
        calibration=training.model.calibration,
        scorecard_calibration=training.scorecard_tested.calibration,
        parameters=training.parameters,
        trees=training.bundle.tables.tree_count,
        variables=used,
        variables_not_used=not_used,
        attributes_not_used=_list_attributes_not_used(training_set.product),
        scorecard_variables=tuple(
            ScorecardVariable(
                name=variable.name,
                coefficient=coefficient,
                information=variable.information,
                bins=_list_bins(variable, training_set.columns.categories[variable.position]),
            )
            for variable, coefficient in zip(training.scorecard.variables, training.scorecard.coefficients, strict=True)
        ),
        scorecard_intercept=training.scorecard.intercept,
        not_told=_list_not_told(training),
        versions=manifest.versions,
    )


def render_page(report: Report, training: Training) -> str:
    """The whole HTML page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=_percent_text, signed=_signed_text, words=_words_text, whole=_whole_text)
    source = (files("instant_credit.training.report") / "report.html.j2").read_text(encoding="utf-8")
    labels = training.training_set.labels[training.test_rows]
    charts: Mapping[str, Markup] = {
        "calibration": _trusted(draw_calibration(report.model.deciles, report.scorecard.deciles)),
        "roc": _trusted(draw_roc(training.model.pds, training.scorecard_tested.pds, labels)),
        "points": _trusted(draw_points(_points_of_tests(training), labels)),
    }
    largest = max((variable.importance for variable in report.variables), default=1.0)
    return environment.from_string(source).render(
        report=report, charts=charts, title=training.training_set.product.title, largest_importance=largest or 1.0
    )


def _trusted(svg: str) -> Markup:
    """Our own drawing, which holds numbers and fixed words only."""
    return Markup(svg)  # noqa: S704 the drawing is our own


def _points_of_tests(training: Training) -> NDArray[np.int64]:
    pds = training.model.pds
    log_odds = np.log(pds / (1.0 - pds))
    return np.array([points_at(training.bundle.scale, float(one)) for one in log_odds], dtype=np.int64)


def _list_variables(training: Training) -> tuple[tuple[VariableTold, ...], tuple[NotUsed, ...]]:
    """Variables that some tree asks for, the weightiest first; and those that none does."""
    training_set = training.training_set
    matrix, columns = training_set.matrix, training_set.columns
    explained = training.test_rows[:: -(-len(training.test_rows) // _EXPLAINED_MAX)]
    _, contributions = explain_rows(training.fitted.compiled, np.ascontiguousarray(matrix[explained]))
    importances = np.abs(contributions).mean(axis=0)
    asked = set(training.bundle.tables.split_features.tolist())
    used: list[VariableTold] = []
    not_used: list[NotUsed] = []
    for j, variable in enumerate(training_set.product.model_variables):
        is_missing = matrix[:, j] < 0 if columns.categories[j] else np.isnan(matrix[:, j])
        if j in asked:
            told = VariableTold(
                name=variable.name,
                family=variable.family,
                direction=variable.direction,
                why=variable.why,
                missing_share=float(is_missing.mean()),
                importance=float(importances[j]),
            )
            used.append(told)
            continue
        known = matrix[~is_missing, j]
        if not len(known):
            reason = "no loan of the book has it"
        elif bool((known == known[0]).all()):
            reason = "the same for every loan of the book that has it"
        else:
            reason = "no tree asked for it"
        not_used.append(NotUsed(name=variable.name, reason=reason))
    used.sort(key=lambda told: (-told.importance, told.name))
    return tuple(used), tuple(not_used)


def _list_attributes_not_used(product: Product) -> tuple[NotUsed, ...]:
    """Attributes that reach no variable of the model."""
    by_name = {variable.name: variable for variable in product.variables}
    reached: set[str] = set()
    pending = [name for variable in product.model_variables for name in variable.of]
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending.extend(by_name[name].of if name in by_name else ())
    reasons = {Legal.PROHIBITED: "prohibited basis: sealed apart for fairness measurement"}
    return tuple(
        NotUsed(name=a.name, reason=reasons.get(a.legal, "no variable of the model uses it"))
        for a in product.attributes
        if a.name not in reached
    )


def _list_bins(variable: BinnedVariable, categories: tuple[str, ...]) -> tuple[BinTold, ...]:
    if variable.is_category:
        names = list(categories)
    elif len(variable.edges):
        edges = [f"{float(edge):,.6g}" for edge in variable.edges]
        between = [f"above {low} up to {high}" for low, high in pairwise(edges)]
        names = [f"up to {edges[0]}", *between, f"above {edges[-1]}"]
    else:
        names = ["any value"]
    bins = [BinTold(values=name, weight=float(w)) for name, w in zip(names, variable.weights, strict=True)]
    return (*bins, BinTold(values="missing", weight=variable.missing_weight))


def _list_not_told(training: Training) -> tuple[str, ...]:
    """What the figures do not say."""
    known_on = training.training_set.known_on.isoformat()
    notes = [
        _SELECTED,
        _INTERVALS,
        f"Labels are what was known on {known_on}; nothing is said about when a loan went bad, or how much was lost.",
        "Texts that borrowers wrote are never read, shown or kept as facts.",
        "Fairness between groups is not measured here.",
    ]
    notes.append(_CARRIED_BY_DATE if isinstance(training.plan, ByDate) else _CARRIED_BY_FOLDS)
    return tuple(notes)


def _percent_text(share: float, decimals: int = 1) -> str:
    return f"{share * 100:.{decimals}f}%"


def _signed_text(value: float, decimals: int = 3) -> str:
    return f"{value:+.{decimals}f}"


def _words_text(name: str) -> str:
    return name.replace("_", " ")


def _whole_text(count: int) -> str:
    return f"{count:,}"
