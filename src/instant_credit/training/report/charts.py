"""Charts of the report: expected and observed, ranking, gains, points, vintages."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from instant_credit.training.intervals import Decile, Measured, trace_roc
from instant_credit.training.report.gains import BAND_POINTS, trace_gains
from instant_credit.training.report.groups import Group, Scored
from instant_credit.training.report.svg import FAINT, OURS, THEIRS, draw

_WIDE: Final = (12.0, 3.3)
_NAMES_UPRIGHT_MAX: Final = 14
_APART: Final = 0.15

Floats = NDArray[np.float64]


def draw_calibration(model: Sequence[Decile], scorecard: Sequence[Decile]) -> Markup:
    """Bad rate over mean pd by decile, with Wilson intervals; on the diagonal what came is what was expected."""

    def paint(axes: Axes) -> None:
        top = max(decile.bad_rate.high for decile in (*model, *scorecard)) * 1.05
        axes.plot([0, top], [0, top], color=FAINT, linewidth=1.2, dashes=(4, 3))
        for deciles, colour, name, shift in ((scorecard, THEIRS, "scorecard", 0.003), (model, OURS, "model", 0.0)):
            x = [decile.pd_mean + shift * top for decile in deciles]
            _plot_measured(axes, x, [decile.bad_rate for decile in deciles], colour, name)
        axes.set(xlabel="expected: mean pd of the decile", ylabel="observed bad rate", xlim=(0, None), ylim=(0, top))
        _in_percent(axes, x_too=True)
        axes.legend(loc="upper left")

    label = "Observed bad rate over mean pd of each tenth of the test loans, with 95% intervals; the table of tenths holds the figures."
    return draw(paint, "calibration", label)


def draw_roc(scored: Scored) -> Markup:
    """Share of bad loans caught over share of good loans lost, for every cut-off."""

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, dashes=(4, 3))
        for pds, colour, name in ((scored.scorecard_pds, THEIRS, "scorecard"), (scored.pds, OURS, "model")):
            axes.plot(*trace_roc(pds, scored.labels, weights=scored.weights), color=colour, linewidth=1.8, label=name)
        axes.set(xlabel="good loans above the cut-off", ylabel="bad loans above the cut-off", xlim=(0, 1), ylim=(0, 1))
        _in_percent(axes, x_too=True)
        axes.legend(loc="lower right")

    return draw(
        paint, "roc", "Receiver operating characteristic of model and scorecard; the AUC is the area below each."
    )


def draw_gains(scored: Scored) -> Markup:
    """Share of bad loans among the riskiest loans, between chance and a perfect order."""

    def paint(axes: Axes) -> None:
        counted = np.ones(len(scored.labels)) if scored.weights is None else scored.weights
        bad_rate = float(counted @ scored.labels / counted.sum())
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, dashes=(4, 3))
        axes.plot([0, bad_rate, 1], [0, 1, 1], color=FAINT, linewidth=1.2, dashes=(4, 3))
        for pds, colour, name in ((scored.scorecard_pds, THEIRS, "scorecard"), (scored.pds, OURS, "model")):
            axes.plot(*trace_gains(pds, scored.labels, scored.weights), color=colour, linewidth=1.8, label=name)
        axes.set(xlabel="share of loans, the riskiest first", ylabel="share of the bad loans", xlim=(0, 1), ylim=(0, 1))
        _in_percent(axes, x_too=True)
        axes.legend(loc="lower right")

    label = "Share of the bad loans among the riskiest loans, model and scorecard, between chance and a perfect order; the table of gains holds the figures."
    return draw(paint, "gains", label)


def draw_points(points: NDArray[np.int64], labels: NDArray[np.int8], weights: Floats | None) -> Markup:
    """How the points of good and of bad loans are spread, each as a share of its kind; points int64[n]."""

    def paint(axes: Axes) -> None:
        step = BAND_POINTS // 2
        first = int(points.min()) // step * step
        edges = np.arange(first, int(points.max()) + 2 * step, step)
        for kind, colour, name in ((0, OURS, "good loans"), (1, THEIRS, "bad loans")):
            is_kind = labels == kind
            counts, _ = np.histogram(points[is_kind], edges, weights=None if weights is None else weights[is_kind])
            axes.stairs(counts / counts.sum(), edges, color=colour, linewidth=1.8, label=name)
            axes.stairs(counts / counts.sum(), edges, color=colour, fill=True, alpha=0.12)
        axes.set(xlabel="points, higher is safer", ylabel="share of loans", ylim=(0, None))
        _in_percent(axes)
        axes.legend(loc="upper left")

    return draw(
        paint,
        "points",
        "How the points of good loans and of bad loans are spread; the further apart, the better the ranking.",
    )


def draw_vintage_ranking(groups: Sequence[Group]) -> Markup:
    """AUC by vintage of model and scorecard, with intervals; a gap where a vintage holds too few loans."""

    def paint(axes: Axes) -> None:
        for colour, name, shift in ((THEIRS, "scorecard", 0.12), (OURS, "model", -0.12)):
            told = [(i, group.auc if name == "model" else group.scorecard_auc) for i, group in enumerate(groups)]
            known = [(i, auc) for i, auc in told if auc is not None]
            _plot_measured(axes, [i + shift for i, _ in known], [auc for _, auc in known], colour, name)
        axes.set(ylabel="AUC")
        _name_places(axes, [group.name for group in groups])
        axes.legend(loc="best")

    return draw(
        paint,
        "vintage-ranking",
        "AUC by vintage with 95% intervals, model and scorecard; the table of vintages holds the figures.",
        _WIDE,
    )


def draw_vintage_rates(groups: Sequence[Group]) -> Markup:
    """Mean pd and observed bad rate by vintage."""

    def paint(axes: Axes) -> None:
        places = np.arange(len(groups), dtype=np.float64)
        _plot_measured(axes, places.tolist(), [group.bad_rate for group in groups], THEIRS, "observed bad rate")
        axes.plot(places, [group.pd_mean for group in groups], color=OURS, linewidth=1.8, label="expected: mean pd")
        axes.set(ylim=(0, None))
        _in_percent(axes)
        _name_places(axes, [group.name for group in groups])
        axes.legend(loc="best")

    return draw(
        paint,
        "vintage-rates",
        "Mean pd and observed bad rate by vintage, with 95% intervals; the table of vintages holds the figures.",
        _WIDE,
    )


def draw_course(
    name: str, title: str, places: Sequence[str], lines: Sequence[tuple[str, Sequence[Measured | None]]]
) -> Markup:
    """Figures of one or two sides from place to place, with intervals; None leaves a gap.

    Parameters
    ----------
    name : tells the drawing apart from others of its page.
    title : of the figure, in words.
    lines : each side's name and its figures, one a place.
    """

    def paint(axes: Axes) -> None:
        for place, ((side, figures), colour) in enumerate(zip(lines, (OURS, THEIRS), strict=False)):
            known = [(x + _APART * place, one) for x, one in enumerate(figures) if one is not None]
            if known:
                _plot_measured(axes, [x for x, _ in known], [one for _, one in known], colour, side)
        axes.set(ylabel=title)
        _name_places(axes, places)
        axes.legend(loc="best")

    return draw(paint, name, f"{title}; the table holds the figures.", _WIDE)


def _plot_measured(axes: Axes, x: Sequence[float], measured: Sequence[Measured], colour: str, name: str) -> None:
    values = np.array([one.value for one in measured])
    ends = np.array([(one.low, one.high) for one in measured]).reshape(-1, 2)
    errors = np.maximum(np.abs(ends.T - values), 0.0)
    axes.errorbar(x, values, yerr=errors, fmt="o", markersize=4.5, color=colour, elinewidth=1.2, label=name)


def _in_percent(axes: Axes, *, x_too: bool = False) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if x_too:
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _name_places(axes: Axes, names: Sequence[str]) -> None:
    upright = len(names) <= _NAMES_UPRIGHT_MAX
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xticks(range(len(names)), names, rotation=0 if upright else 45, ha="center" if upright else "right")
