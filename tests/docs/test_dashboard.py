"""The Grafana dashboard against the metrics: every query names what there is, and nothing there is goes unseen."""

import json
import re
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from instant_credit.api.gate import Cause
from instant_credit.api.metrics import Metrics
from instant_credit.underwriting.lines import Ending, Stages

DASHBOARD = Path(__file__).resolve().parents[2] / "docs" / "grafana" / "instant-credit.json"
OURS = re.compile(r"\b(instant_credit_\w+?)(_bucket|_sum|_count)?\b(?=[{\[,)])(?:\{([^}]*)\})?")
ADDED_BY_PROMETHEUS = {"job", "instance", "le"}
VALUES = {
    "stage": {name.removesuffix("_ns") for name in Stages.__struct_fields__},
    "ending": {ending.value for ending in Ending},
    "cause": {cause.value for cause in Cause},
}


@cache
def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


@cache
def metrics() -> dict[str, tuple[str, set[str]]]:
    """Kind and labels by the name that is shown."""
    shown = {}
    for collector in list(Metrics().registry._collector_to_names):
        (family,) = collector.collect()
        name = family.name + ("_total" if family.type == "counter" else "")
        shown[name] = (family.type, set(collector._labelnames))  # type: ignore[attr-defined] # prometheus_client tells labels nowhere else
    return shown


def test_every_query_names_metrics_and_labels_that_exist() -> None:
    for query in queries():
        used = OURS.findall(query)
        assert used, query
        for name, suffix, selector in used:
            kind, labels = metrics()[name]
            assert bool(suffix) == (kind == "histogram"), query
            asked = dict(re.findall(r'(\w+)=~?"([^"]*)"', selector))
            assert set(asked) <= labels | ADDED_BY_PROMETHEUS, query
            grouped = {label for found in re.findall(r"by \(([^)]*)\)", query) for label in found.split(", ")}
            assert grouped <= labels | ADDED_BY_PROMETHEUS, query
            assert all(value in VALUES[label] for label, value in asked.items() if label in VALUES), query


def test_every_metric_is_seen() -> None:
    assert {name for query in queries() for name, _, _ in OURS.findall(query)} == set(metrics())


def test_panels_say_what_they_show_and_lie_side_by_side() -> None:
    assert len({panel["id"] for panel in panels()}) == len({panel["title"] for panel in panels()}) == len(panels())
    for panel in panels():
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in panels()], 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_beside or is_below
