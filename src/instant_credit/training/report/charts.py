"""Charts of the report as inline SVG: the same numbers give the same text, colours follow the page, nothing is loaded.

Colours are drawn as placeholders and replaced by the page's CSS variables, so that one drawing suits a light and a dark page.
"""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from instant_credit.training.intervals import Decile, trace_roc

_INK: Final = "#010101"
_FAINT: Final = "#020202"
_OURS: Final = "#030303"
_THEIRS: Final = "#040404"
_CSS: Final = {
    _INK: "var(--ink-soft)",
    _FAINT: "var(--line)",
    _OURS: "var(--ours)",
    _THEIRS: "var(--theirs)",
}
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": ["sans-serif"],
    "font.size": 10.0,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
}
_SIZE: Final = (4.6, 3.5)
_POINTS_STEP: Final = 10

Floats = NDArray[np.float64]


def draw_calibration(model: Sequence[Decile], scorecard: Sequence[Decile]) -> str:
    """Bad rate over mean pd by decile, with Wilson intervals; on the diagonal what came is what was expected."""

    def draw(axes: Axes) -> None:
        top = max(decile.bad_rate.high for decile in (*model, *scorecard)) * 1.05
        axes.plot([0, top], [0, top], color=_FAINT, linewidth=1.2, dashes=(4, 3))
        for deciles, colour, name, shift in ((scorecard, _THEIRS, "scorecard", 0.003), (model, _OURS, "model", 0.0)):
            x = [decile.pd_mean + shift * top for decile in deciles]
            rates = np.array([decile.bad_rate.value for decile in deciles])
            ends = np.array([(decile.bad_rate.low, decile.bad_rate.high) for decile in deciles])
            axes.errorbar(
                x,
                rates,
                yerr=np.maximum(np.abs(ends.T - rates), 0.0),
                fmt="o",
                markersize=4.5,
                color=colour,
                elinewidth=1.2,
                label=name,
            )
        axes.set(xlabel="expected: mean pd of the decile", ylabel="observed bad rate", xlim=(0, None), ylim=(0, top))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.legend(loc="upper left")

    return _render(draw, "calibration")


def draw_roc(model: Floats, scorecard: Floats, labels: NDArray[np.int8]) -> str:
    """Share of bad loans caught over share of good loans lost, for every cut-off; pds float64[n]."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1.2, dashes=(4, 3))
        axes.plot(*trace_roc(scorecard, labels), color=_THEIRS, linewidth=1.6, label="scorecard")
        axes.plot(*trace_roc(model, labels), color=_OURS, linewidth=2.0, label="model")
        axes.set(xlabel="good loans above the cut-off", ylabel="bad loans above the cut-off", xlim=(0, 1), ylim=(0, 1))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.legend(loc="lower right")

    return _render(draw, "roc")


def draw_points(points: NDArray[np.int64], labels: NDArray[np.int8]) -> str:
    """How the points of good and of bad loans are spread, each as a share of its kind; points int64[n]."""

    def draw(axes: Axes) -> None:
        first = int(points.min()) // _POINTS_STEP * _POINTS_STEP
        edges = np.arange(first, int(points.max()) + 2 * _POINTS_STEP, _POINTS_STEP)
        for kind, colour, name in ((0, _OURS, "good loans"), (1, _THEIRS, "bad loans")):
            counts, _ = np.histogram(points[labels == kind], bins=edges)
            axes.stairs(counts / counts.sum(), edges, color=colour, linewidth=1.8, label=name)
            axes.stairs(counts / counts.sum(), edges, color=colour, fill=True, alpha=0.12)
        axes.set(xlabel="points, higher is safer", ylabel="share of loans", ylim=(0, None))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.legend(loc="upper left")

    return _render(draw, "points")


def _render(draw: Callable[[Axes], None], name: str) -> str:
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.subplots()
        axes.patch.set_alpha(0.0)
        axes.set_axisbelow(True)
        draw(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return _tidy(text.getvalue(), name)


def _tidy(svg: str, name: str) -> str:
    """Drop what a page does not need, keep ids apart between charts, let the page choose size, font and colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" role="img">', svg, count=1)
    wanted = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in wanted else "", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", svg)
    for placeholder, colour in _CSS.items():
        svg = svg.replace(placeholder, colour)
    return svg
