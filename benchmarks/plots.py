"""Plots of results as SVG: the same figures give the same bytes, and colours can be read on a light and on a dark page."""

import io
import re
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK, FAINT = "#7d8590", "#7d859055"
OURS, EXPLAINED, SCORED = "#2f81f7", "#d4762c", "#8b949e"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scoring",
    "font.family": ["sans-serif"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "ytick.major.size": 0.0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}
# One in so many is slower.
TAIL = {"p50": 2, "p90": 10, "p99": 100, "p99_9": 1_000}
OPEN = "open loop at 30% of our throughput"
ROW, EXPORTED, SCORE = "one row: score, SHAP, top 4", "one row beside exported C++", "one row: score alone"


def draw_scoring(body: dict[str, Any]) -> str:
    """Medians of one row: ours, others' explanations and others' scores alone; a hollow dot for the smaller model, a full one for the larger."""
    lines = _lines(body)
    order = sorted(lines, key=lambda who: max(lines[who][1].values()))
    models = list(dict.fromkeys(model for _, found in lines.values() for model in found))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.2, 0.27 * len(order) + 1.0), layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.subplots()
        axes.patch.set_alpha(0.0)
        axes.set_xscale("log")
        for place, who in enumerate(reversed(order)):
            colour, found = lines[who]
            points = [found[model] for model in models if model in found]
            axes.plot(points, [place] * len(points), color=colour, linewidth=1.4)
            for model, value in found.items():
                fill = colour if model == models[-1] else "none"
                axes.plot([value], [place], "o", markersize=5, markeredgecolor=colour, markerfacecolor=fill)
            axes.annotate(
                _told(points[-1]), (max(points), place), (6, 0), textcoords="offset points", va="center", fontsize=8
            )
        axes.set_yticks(range(len(order)), list(reversed(order)))
        axes.grid(axis="x", color=FAINT, linewidth=0.6)
        axes.set_xlim(right=4 * max(value for _, found in lines.values() for value in found.values()))
        axes.set_xlabel(f"microseconds for one row, median (hollow {models[0]}, full {models[-1]})")
        for colour, label in ((OURS, "score and reasons, ours"), (EXPLAINED, "SHAP values"), (SCORED, "score alone")):
            axes.plot([], [], "o", color=colour, markersize=5, label=label)
        axes.legend(loc="upper right", fontsize=8)
        return _write_svg(figure)


def draw_http(body: dict[str, Any]) -> str:
    """Latency by percentile in the open loop: a line each, both axes logarithmic, so that the tail has room."""
    case = next(one for one in body["cases"] if one["case"].startswith(OPEN))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.2, 3.2), layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.subplots()
        axes.patch.set_alpha(0.0)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for colour, (who, found) in zip(
            (OURS, SCORED, EXPLAINED), {"instant_credit": case["ours"], **case["peers"]}.items(), strict=False
        ):
            shares = [*TAIL.values(), found["n"]]
            values = [found[name] / 1e3 for name in (*TAIL, "max")]
            axes.plot(shares, values, "o-", color=colour, markersize=4, linewidth=1.4, label=who)
        ticks = (*TAIL.values(), case["ours"]["n"])
        axes.set_xticks(ticks, ["p50", "p90", "p99", "p99.9", "max"])
        axes.minorticks_off()
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.set_ylabel("milliseconds from when it was due")
        axes.legend(loc="upper left", fontsize=8)
        return _write_svg(figure)


def _write_svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    # matplotlib ends some lines in blanks.
    return re.sub(r"[ \t]+$", "", text.getvalue(), flags=re.MULTILINE)


def _lines(body: dict[str, Any]) -> dict[str, tuple[str, dict[str, float]]]:
    """By name: colour, and the median in microseconds by model."""
    lines: dict[str, tuple[str, dict[str, float]]] = {}
    for case in body["cases"]:
        matched = re.fullmatch(r"(.*), ([\d,]+ trees)", case["case"])
        if matched is None or matched[1] not in (ROW, EXPORTED, SCORE):
            continue
        for who, found in {"ours": case["ours"], **case["peers"]}.items():
            is_ours = who.startswith("ours")
            if is_ours and matched[1] != ROW:
                continue
            colour = OURS if is_ours else EXPLAINED if matched[1] == ROW else SCORED
            name = who.replace("ours", "instant_credit", 1) if is_ours else who
            lines.setdefault(name, (colour, {}))[1].setdefault(matched[2], found["p50"])
    return lines


def _told(microseconds: float) -> str:
    """A time in the unit that suits it."""
    if microseconds < 1_000:
        return f"{microseconds:.3g} µs"
    return f"{microseconds / 1e3:.3g} ms" if microseconds < 1e6 else f"{microseconds / 1e6:.3g} s"
