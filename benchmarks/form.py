"""The one form of a benchmark: cases with raw nanosecond samples, one JSON object a suite, a table for people."""

import gc
import gzip
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from instant_credit.commands.tables import print_table

PACKAGES = ("numpy", "numba", "llvmlite", "msgspec", "catboost", "shap", "litestar", "asyncpg")
PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99_9", 99.9), ("max", 100.0))


@dataclass
class Case:
    """What was timed: `ours` and each peer hold raw samples in nanoseconds."""

    name: str
    ours: list[int]
    peers: dict[str, list[int]] = field(default_factory=dict)
    checks: dict[str, bool | float] = field(default_factory=dict)

    def summary(self) -> dict[str, object]:
        """The case in the form that is published, in microseconds."""
        return {
            "case": self.name,
            "unit": "us",
            "ours": summarise(self.ours),
            "peers": {name: summarise(samples) for name, samples in self.peers.items()},
            "checks": self.checks,
        }


def summarise(samples: list[int]) -> dict[str, float]:
    """Exact percentiles of raw samples, in microseconds."""
    array = np.sort(np.asarray(samples, np.float64)) / 1000
    found = {name: round(float(np.percentile(array, q, method="higher")), 3) for name, q in PERCENTILES}
    return {**found, "n": len(samples)}


def time_interleaved(
    calls: dict[str, Callable[[int], object]], rounds: int, per_round: int, warmup: int = 50
) -> dict[str, list[int]]:
    """Time each call by itself, the calls taking turns; call `i` gets the running number, so that inputs rotate."""
    samples: dict[str, list[int]] = {name: [] for name in calls}
    for call in calls.values():
        for i in range(warmup):
            call(i)
    gc.disable()
    try:
        for turn in range(rounds):
            for name, call in calls.items():
                kept = samples[name]
                for i in range(turn * per_round, (turn + 1) * per_round):
                    started = time.perf_counter_ns()
                    call(i)
                    kept.append(time.perf_counter_ns() - started)
            gc.collect()
    finally:
        gc.enable()
    return samples


def machine() -> dict[str, object]:
    """What it ran on: processor, cores, and the flags that matter to the kernels."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])
    cores = sum(line.startswith("processor") for line in lines)
    kept = [flag for flag in flags if flag.startswith(("avx", "fma", "bmi"))]
    return {
        "cpu": model,
        "cores": cores,
        "cpu_flags": sorted(kept),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def commit() -> str:
    """The commit that is measured; "+" says that the tree differs from it."""
    root = Path(__file__).resolve().parents[1]
    head = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    ).stdout.strip()
    dirty = subprocess.run(
        ["git", "status", "--porcelain", "--", "src", "benchmarks/*.py"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return head + ("+" if dirty.strip() else "")


def publish(suite: str, cases: list[Case], seed: int, out: Path | None) -> list[str]:
    """Print the table, write the object and, beside it, the raw samples; returns every check that failed, with its case."""
    body = {
        "suite": suite,
        "commit": commit(),
        "machine": machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "seed": seed,
        "cases": [case.summary() for case in cases],
    }
    console = Console(file=sys.stdout)
    console.print(f"{suite} on {body['machine']}")
    table = Table("case", "who", *(name for name, _ in PERCENTILES), "n", "checks")
    for case in cases:
        for who, samples in {"ours": case.ours, **case.peers}.items():
            found = summarise(samples)
            checks = ", ".join(f"{k}={v}" for k, v in case.checks.items()) if who == "ours" else ""
            table.add_row(
                case.name, who, *(f"{found[name]:,.1f}" for name, _ in PERCENTILES), f"{found['n']:,}", checks
            )
    print_table(table)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(body, indent=2) + "\n")
        raw = {
            f"{case.name}|{who}": samples
            for case in cases
            for who, samples in {"ours": case.ours, **case.peers}.items()
        }
        with gzip.open(out.with_suffix(".raw.json.gz"), "wt") as file:
            json.dump(raw, file)
        console.print(f"written: {out}")
    return [f"{case.name}: {name}" for case in cases for name, found in case.checks.items() if found is False]
