"""The one form of a benchmark: cases with raw samples, one JSON object a suite, a table for people.

Samples are kept whole, as nanoseconds of one call (bytes, for a size). A case's calls take turns in rounds: every round holds the same
number of calls of one kind, so that a ratio can be read round by round. `times_ours` of a peer is the median, over the rounds, of
(the peer's median of the round / our median of the same round), so what slows the whole machine for a while cancels out.

A busy machine interrupts a long call again and again and a short one hardly ever, which would flatter the short one. So a call that lasts
longer than a millisecond counts its processor time, all threads together, where that is less than the time that passed.

A rate (`rows_per_s`, `requests_per_s`) is told at the same percentiles of time as a latency: its p99 is the rate that 99 of 100 calls reach.
"""

import gc
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from instant_credit.commands.tables import print_table

# What a suite may measure or stand on; one that is not there is told as null, and the tables say that it is left out.
PACKAGES = (
    ("numpy",),
    ("numba",),
    ("llvmlite",),
    ("msgspec",),
    ("litestar",),
    ("asyncpg",),
    ("catboost",),
    ("shap",),
    ("onnxruntime",),
    ("lightgbm",),
    ("xgboost-cpu", "xgboost"),
    ("uvicorn",),
    ("fastapi",),
    ("pydantic",),
    ("pandas",),
    ("sqlalchemy",),
    ("spotify-confidence",),
)
PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99_9", 99.9), ("max", 100.0))
UNITS = {"us": 1e3, "ms": 1e6, "s": 1e9, "MiB": float(1 << 20)}
ROWS_PER_S = "rows_per_s"
RATES = frozenset({ROWS_PER_S, "requests_per_s"})
FLUSH_BYTES_MIN = 64 << 20
LONG_NS = 1_000_000

Call = Callable[[int], object]


@dataclass
class Case:
    """What was timed: `ours` and each peer hold raw samples, in nanoseconds (bytes where the unit is MiB).

    `rounds` says in how many rounds the samples were taken, equally many in each; `rows`, for a rate, how many rows a call of whom
    answers (of ours: "ours"), 1 where it is not said.
    """

    name: str
    ours: list[int]
    peers: dict[str, list[int]] = field(default_factory=dict)
    checks: dict[str, bool | float] = field(default_factory=dict)
    unit: str = "us"
    rounds: int = 1
    rows: Mapping[str, int] = field(default_factory=dict)

    def summary(self) -> dict[str, object]:
        """The case in the form that is published."""
        return {
            "case": self.name,
            "unit": self.unit,
            "ours": self.summarise("ours"),
            "peers": {who: {**self.summarise(who), "times_ours": self.times_ours(who)} for who in self.peers},
            "checks": self.checks,
        }

    def summarise(self, who: str) -> dict[str, float]:
        """Exact percentiles of the samples of `who` in the case's unit."""
        samples = self.samples()[who]
        array = np.sort(np.asarray(samples, np.float64))
        at = {name: float(np.percentile(array, q, method="higher")) for name, q in PERCENTILES}
        if self.unit in RATES:
            found = {name: round(self.rows.get(who, 1) * 1e9 / value, 3) for name, value in at.items()}
        else:
            found = {name: round(value / UNITS[self.unit], 3) for name, value in at.items()}
        return {**found, "n": len(samples), "rounds": self.rounds}

    def times_ours(self, who: str) -> float:
        """How many times our time (or size) `who` takes for a row: the median over the rounds."""
        return self.ratio(who, "ours")

    def ratio(self, who: str, other: str) -> float:
        """How many times as long as `other` `who` takes for a row: the median over the rounds."""
        ratios = self._by_round(who) / self._by_round(other)
        return float(f"{float(np.median(ratios)):.4g}")

    def samples(self) -> dict[str, list[int]]:
        """Everybody's raw samples, ours first."""
        return {"ours": self.ours, **self.peers}

    def _by_round(self, who: str) -> NDArray[np.float64]:
        samples = np.asarray(self.samples()[who], np.float64).reshape(self.rounds, -1)
        medians: NDArray[np.float64] = np.median(samples, axis=1) / self.rows.get(who, 1)
        return medians


def time_interleaved(
    calls: Mapping[str, Call],
    rounds: int,
    per_round: int | Mapping[str, int],
    warmup: int = 50,
    before: Callable[[], object] | None = None,
) -> dict[str, list[int]]:
    """Time each call by itself, the calls taking turns.

    Parameters
    ----------
    calls : by name; a call gets the running number of its own calls, so that inputs rotate.
    rounds : every call has its turn in each, the first one moving on from round to round.
    per_round : how often a call is made in a turn; by name where that differs.
    warmup : untimed calls beforehand, at most as many as in a turn.
    before : runs untimed before each timed call.
    """
    counts = {name: per_round if isinstance(per_round, int) else per_round[name] for name in calls}
    samples: dict[str, list[int]] = {name: [] for name in calls}
    timers: dict[str, Callable[[Call, int], int]] = {}
    for name, call in calls.items():
        warm = [time_call(call, i) for i in range(min(warmup, counts[name]))]
        timers[name] = time_long_call if warm and min(warm) >= LONG_NS else time_call
    names = list(calls)
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            first = turn % len(names)
            for name in (*names[first:], *names[:first]):
                for i in range(turn * counts[name], (turn + 1) * counts[name]):
                    if before is not None:
                        before()
                    samples[name].append(timers[name](calls[name], i))
            gc.collect()
    finally:
        gc.enable()
    return samples


def time_call(call: Call, i: int) -> int:
    """Nanoseconds that one call took."""
    started = time.perf_counter_ns()
    call(i)
    return time.perf_counter_ns() - started


def time_long_call(call: Call, i: int) -> int:
    """Nanoseconds of one call as the module's docstring counts a long one. Asking for processor time would disturb a short one."""
    processor = time.process_time_ns()
    return min(time_call(call, i), time.process_time_ns() - processor)


def make_flush() -> Callable[[], object]:
    """What empties the processor's caches of anything else: it writes to a buffer twice as large as the largest of them."""
    largest = max([cache_bytes(), FLUSH_BYTES_MIN // 2])
    buffer = np.zeros(2 * largest // 8, np.int64)
    return lambda: np.add(buffer, 1, out=buffer)


def cache_bytes() -> int:
    """Size of the processor's largest cache; 0 where the system does not tell."""
    found = [0]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        told = path.read_text().strip()
        found.append(int(told.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(told[-1:], 0))
    return max(found)


def machine() -> dict[str, object]:
    """What it ran on: processor, cores, the flags that matter to the kernels, and how busy it was at the end."""
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
        "cache_mib": cache_bytes() >> 20,
        "cpu_flags": sorted(kept),
        "load_1m": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def versions() -> dict[str, str | None]:
    """Versions of what is measured or stood on, the C++ compiler among them; None where it is not installed."""
    found: dict[str, str | None] = {}
    for names in PACKAGES:
        told = [(name, one) for name in names if (one := _version(name)) is not None]
        name, one = told[0] if told else (names[-1], None)
        found[name] = one
    found["g++"] = None
    if (compiler := shutil.which("g++")) is not None:
        asked = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=False)
        found["g++"] = asked.stdout.strip()
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


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
        "versions": versions(),
        "seed": seed,
        "cases": [case.summary() for case in cases],
    }
    console = Console(file=sys.stdout, highlight=False, markup=False)
    console.print(f"{suite} on {body['machine']}", soft_wrap=True)
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        console.print("THE MACHINE IS BUSY with other work: absolute figures are worse than it is", style="bold red")
    _print_cases(cases)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(body, indent=2) + "\n")
        raw = {f"{case.name}|{who}": samples for case in cases for who, samples in case.samples().items()}
        with gzip.open(out.with_suffix(".raw.json.gz"), "wt") as file:
            json.dump(raw, file)
        console.print(f"written: {out}")
    return [f"{case.name}: {name}" for case in cases for name, found in case.checks.items() if found is False]


def _print_cases(cases: list[Case]) -> None:
    table = Table("case", "who", "unit", *(name for name, _ in PERCENTILES), "n", "times ours", "checks")
    for case in cases:
        for who in case.samples():
            found = case.summarise(who)
            checks = ", ".join(f"{k}={v}" for k, v in case.checks.items()) if who == "ours" else ""
            ratio = "" if who == "ours" else f"{case.times_ours(who):,g}"
            told = (f"{found[name]:,.1f}" for name, _ in PERCENTILES)
            table.add_row(case.name, who, case.unit, *told, f"{found['n']:,}", ratio, checks)
    print_table(table)
