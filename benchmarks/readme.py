"""Writes tables and plots of a page from the benchmarks' JSON, between their markers; nothing there is typed by hand.

`<!-- benchmark: SUITE -->` takes what a reader wants first, `<!-- benchmark: SUITE, all -->` every case; both end at `<!-- end -->`.
A page without results of a suite keeps what it has.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.experiments_tables import experiments_tables, strip_kind

RESULTS = Path(__file__).parent / "results"
OURS = "instant_credit"
EXPERIMENTS = "experiments"
SCORING_FIRST = (
    "one row: score, SHAP, top 4",
    "one row beside exported C++",
    "one row, caches flushed",
    "batch: score and SHAP",
)
# Units and how many of the smaller one make the next.
STEPS = {"us": (1_000, "ms"), "ms": (1_000, "s"), "s": (60, "min")}

Body = dict[str, Any]


def rewrite(path: Path) -> list[str]:
    """Replace what stands between the markers of a page, draw its plots; returns the suites written."""
    written: list[str] = []

    def fill(match: re.Match[str]) -> str:
        suite, is_whole = match[1], match[2] is not None
        source = RESULTS / f"{suite}.json"
        if not source.exists():
            return match[0]
        written.append(suite)
        body = json.loads(source.read_text())
        return f"<!-- benchmark: {suite}{match[2] or ''} -->\n{page_of(body, path, is_whole=is_whole)}\n<!-- end -->"

    pattern = r"<!-- benchmark: ([a-z-]+)(, all)? -->\n.*?<!-- end -->"
    path.write_text(re.sub(pattern, fill, path.read_text(), flags=re.DOTALL))
    return written


def page_of(body: Body, path: Path, *, is_whole: bool) -> str:
    """Markdown of one suite's object, as it stands in the page `path`."""
    make = SHORT.get(body["suite"])
    parts = [table_of(body)] if is_whole or make is None else make(body, path)
    if is_whole and body["suite"] == EXPERIMENTS:
        parts = [*experiments_tables(body), *parts]
    return "\n\n".join([*parts, *told_checks(body), told_source(body)])


def table_of(body: Body) -> str:
    """Every case of a suite, as one table."""
    rows = ["| case | who | p50 | p99 | p99.9 | n | times ours |", "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for case in body["cases"]:
        for who, found in people_of(case).items():
            told = " | ".join(told_amount(found[at], case["unit"]) for at in ("p50", "p99", "p99_9"))
            rows.append(f"| {case['case']} | {name_of(who)} | {told} | {found['n']:,} | {told_times(found)} |")
    return "\n".join(rows)


def scoring_tables(body: Body, path: Path) -> list[str]:
    """The plot, and a table for each of `SCORING_FIRST`: models side by side."""
    drawing = RESULTS / "scoring.svg"
    drawing.write_text(plots.draw_scoring(body))
    link = Path(os.path.relpath(drawing, path.resolve().parent)).as_posix()
    parts = [f"![How long one row takes, explained and scored alone, here and with other libraries]({link})"]
    for title in SCORING_FIRST:
        models = models_of(body, title)
        columns = ("p50", "times ours") if title.startswith("batch") else ("p50", "p99", "times ours")
        head = " | ".join(f"{model}: {' | '.join(columns)}" for model in models)
        rows = [f"| {title} | {head} |", "| --- |" + " ---: |" * len(columns) * len(models)]
        for who in dict.fromkeys(who for case in models.values() for who in people_of(case)):
            cells = [told_cell(case, who, column) for case in models.values() for column in columns]
            rows.append(f"| {name_of(who)} | {' | '.join(cells)} |")
        parts.append("\n".join(rows))
    return parts


def cold_start_tables(body: Body, _path: Path) -> list[str]:
    """One table: medians and worst."""
    rows = ["| from the start of a process | who | p50 | max | times ours |", "| --- | --- | ---: | ---: | ---: |"]
    for case in body["cases"]:
        for who, found in people_of(case).items():
            told = " | ".join(told_amount(found[at], case["unit"]) for at in ("p50", "max"))
            rows.append(f"| {case['case']} | {name_of(who)} | {told} | {told_times(found)} |")
    return ["\n".join(rows)]


def http_tables(body: Body, path: Path) -> list[str]:
    """The plot of percentiles, and a table of the cases that a reader asks for first."""
    drawing = RESULTS / "http.svg"
    drawing.write_text(plots.draw_http(body))
    link = Path(os.path.relpath(drawing, path.resolve().parent)).as_posix()
    rows = [
        "| applications over HTTP | who | p50 | p99 | p99.9 | times ours |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for case in body["cases"]:
        if case["case"].startswith("stage "):
            continue
        for who, found in people_of(case).items():
            told = " | ".join(told_amount(found[at], case["unit"]) for at in ("p50", "p99", "p99_9"))
            rows.append(f"| {case['case']} | {name_of(who)} | {told} | {told_times(found)} |")
    return [f"![Latency by percentile, here and of a bare server]({link})", "\n".join(rows)]


def models_of(body: Body, title: str) -> dict[str, Body]:
    """Cases of one title by the model that they are about."""
    return {
        case["case"].removeprefix(f"{title}, "): case
        for case in body["cases"]
        if re.fullmatch(re.escape(title) + r", [\d,]+ trees", case["case"])
    }


def people_of(case: Body) -> dict[str, Body]:
    """Everybody's figures in one case, ours first."""
    return {"ours": case["ours"], **case["peers"]}


def name_of(who: str) -> str:
    """What a table calls somebody."""
    return f"**{who.replace('ours', OURS, 1)}**" if who.startswith("ours") else who


def told_cell(case: Body, who: str, column: str) -> str:
    """One figure of one of a case's, or that it was not there."""
    found = people_of(case).get(who)
    if found is None:
        return "-"
    return told_times(found) if column == "times ours" else told_amount(found[column], case["unit"])


def told_times(found: Body) -> str:
    """A ratio to ours, to three digits."""
    times = found.get("times_ours")
    return "1" if times is None else told_digits(times)


def told_amount(value: float, unit: str) -> str:
    """A figure with its unit, in the unit that suits its size."""
    if unit.endswith("_per_s"):
        what = unit.removesuffix("_per_s")
        return f"{told_digits(value / 1e6)} M {what}/s" if value >= 1e6 else f"{told_digits(value)} {what}/s"
    while unit in STEPS and value >= STEPS[unit][0]:
        value, unit = value / STEPS[unit][0], STEPS[unit][1]
    return f"{told_digits(value)} {unit}"


def told_digits(value: float) -> str:
    """Three digits that count, with commas."""
    if value >= 100:
        rounded = float(f"{value:.3g}")
        return f"{rounded:,.0f}"
    return f"{value:.3g}"


def told_checks(body: Body) -> list[str]:
    """Which bounds hold in every case, and where any does not, and what could not be measured."""
    found = [
        (case["case"], name, ok)
        for case in body["cases"]
        for name, ok in case["checks"].items()
        if isinstance(ok, bool)
    ]
    parts = []
    # That suite checks every metric kind: what holds for all of them is told once.
    tell = strip_kind if body["suite"] == EXPERIMENTS else str
    held = sorted({tell(name) for _, name, ok in found if ok} - {tell(name) for _, name, ok in found if not ok})
    if held:
        parts.append("Checked and held: " + ", ".join(name.replace("_", " ") for name in held) + ".")
    missed = [f"{name.replace('_', ' ')} ({case})" for case, name, ok in found if not ok]
    if missed:
        parts.append("**Missed: " + ", ".join(missed) + ".**")
    absent = [name for name, version in body["versions"].items() if version is None]
    if absent and body["suite"] in ("scoring", "http"):
        parts.append("**Left out, not installed: " + ", ".join(absent) + ".**")
    return parts


def told_source(body: Body) -> str:
    """Machine and commit."""
    machine = body["machine"]
    is_wide = any(flag.replace("_", "") == "avx512vbmi" for flag in machine["cpu_flags"])
    simd = "with AVX-512 VBMI" if is_wide else "without AVX-512 VBMI"
    busy = ", busy with other work besides" if machine.get("load_1m", 0.0) > machine["cores"] else ""
    return f"Measured on {machine['cpu']}, {machine['cores']} cores, {simd}{busy}, commit {body['commit']}."


SHORT: dict[str, Callable[[Body, Path], list[str]]] = {
    "scoring": scoring_tables,
    "cold-start": cold_start_tables,
    "http": http_tables,
    EXPERIMENTS: lambda body, _path: experiments_tables(body),
}
