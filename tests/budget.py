"""How many examples a property gets: its quick number in the suite, twenty times that under `make prove`.

A property that names its number is a proof: `make prove` runs these alone and writes what each of them ran into `var/proofs`.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings

IS_PROVING = os.environ.get("PROVE") == "1"
TIMES = 20 if IS_PROVING else 1

ROOT = Path(__file__).resolve().parents[1]

Test = TypeVar("Test", bound=Callable[..., Any])


def examples(count: int, **kwargs: Any) -> Callable[[Test], Test]:
    """`hypothesis.settings` with `count` examples in the suite; marks the test as a proof."""
    bounds = settings(max_examples=count * TIMES, deadline=None, **kwargs)

    def decorate(test: Test) -> Test:
        marked: Test = pytest.mark.prove(bounds(test))
        return marked

    return decorate


def write_proof(item: pytest.Item, report: pytest.TestReport) -> None:
    """Write one proof's JSON: what ran, how often, how it ended."""
    bounds = getattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings", None)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    proof = {
        "proof": item.nodeid,
        "outcome": report.outcome,
        "examples": None if bounds is None else bounds.max_examples,
        "seconds": round(report.duration, 3),
        "commit": head.stdout.strip(),
    }
    folder = ROOT / "var" / "proofs"
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9]+", "_", item.nodeid).strip("_")
    (folder / f"{name}.json").write_text(json.dumps(proof, indent=2) + "\n")
