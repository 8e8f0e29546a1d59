"""The report of a training: one HTML page that opens from disk, and the same figures as JSON beside it.

    Training -> basis (scores, reference, attributions) -> contents (every figure) -> charts -> page

The page loads nothing: style, charts and the pictures inside them are part of it. Equal trainings give equal bytes.
"""

from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from instant_credit.training.report.basis import Basis, Progress, make_basis
from instant_credit.training.report.charts import (
    draw_calibration,
    draw_gains,
    draw_points,
    draw_roc,
    draw_vintage_ranking,
    draw_vintage_rates,
)
from instant_credit.training.report.contents import Report, encode_report, make_report
from instant_credit.training.report.environment import make_environment
from instant_credit.training.report.gains import count_points
from instant_credit.training.report.plots import (
    DEPENDENCE_VARIABLES,
    Drawn,
    can_draw_dependence,
    draw_beeswarm,
    draw_case,
    draw_dependence,
)
from instant_credit.training.whole_files import replace_files
from instant_credit.training.workshop import Training

HTML_NAME: Final = "report.html"
JSON_NAME: Final = "report.json"
_DRIFT_SHOWN: Final = 40
_REASONS_SHOWN: Final = 12
_MISSING_MOVES: Final = 0.05


class ReportPaths(Struct, frozen=True, kw_only=True):
    """Where the report was written."""

    html: Path
    json: Path


def write_report(training: Training, folder: Path, progress: Progress = lambda _stage, _done: None) -> ReportPaths:
    """Write page and JSON into `folder`, which is made when it is not there; older ones of the same name are replaced whole.

    `progress` is told the name of each stage.
    """
    basis = make_basis(training, progress)
    report = make_report(basis, progress)
    progress("draw the report", 0)
    page = render_page(report, basis)
    folder.mkdir(parents=True, exist_ok=True)
    paths = ReportPaths(html=folder / HTML_NAME, json=folder / JSON_NAME)
    replace_files({paths.json: encode_report(report), paths.html: page.encode()})
    return paths


def render_page(report: Report, basis: Basis) -> str:
    """The whole HTML page."""
    environment = make_environment()
    environment.filters.update(signed=_signed_text, words=_words_text, trees=_trees_text)
    return environment.get_template("report.html.j2").render(
        report=report,
        charts=_draw_charts(report, basis),
        title=basis.training.training_set.product.title,
        largest_importance=max((variable.importance for variable in report.variables), default=0.0) or 1.0,
        directions={told.name: told for told in report.directions},
        drift=[one for one in report.data.drift if one.is_told][:_DRIFT_SHOWN],
        moved_missing=[one for one in report.data.drift if _moves(one.missing_by_vintage)],
        reasons_shown=_REASONS_SHOWN,
    )


def _draw_charts(report: Report, basis: Basis) -> dict[str, Any]:
    scored = basis.scored
    over_time = (*report.vintages_fitted, *report.vintages_tested)
    drawn = Drawn(basis)
    leading = [one.name for one in report.variables[:DEPENDENCE_VARIABLES] if can_draw_dependence(drawn, one.name)]
    return {
        "calibration": draw_calibration(report.model.quality.deciles, report.scorecard.quality.deciles),
        "roc": draw_roc(scored),
        "gains": draw_gains(scored),
        "points": draw_points(count_points(scored.pds, basis.training.bundle.scale), scored.labels, scored.weights),
        "vintage_ranking": draw_vintage_ranking(over_time) if len(over_time) > 1 else None,
        "vintage_rates": draw_vintage_rates(over_time) if len(over_time) > 1 else None,
        "beeswarm": draw_beeswarm(drawn, report.variables) if report.variables else None,
        "dependence": {name: draw_dependence(drawn, name) for name in leading},
        "cases": [draw_case(case, number) for number, case in enumerate(report.cases_told, start=1)],
    }


def _moves(shares: tuple[float, ...]) -> bool:
    return bool(shares) and max(shares) - min(shares) >= _MISSING_MOVES


def _signed_text(value: float, decimals: int = 3) -> str:
    return f"{value:+.{decimals}f}"


def _words_text(name: str) -> str:
    return name.removesuffix("_cents").replace("_", " ")


def _trees_text(count: int) -> str:
    return "1 tree" if count == 1 else f"{count:,} trees"
