"""Suite `fit`: how long one fit takes and how much memory it holds at most.

One million loans of 300 variables (10 of them categories, a tenth with missing values, a quarter with a direction), 500 trees of depth
6 over all variables. Measured: one call of `fit_model` from a ready matrix, with everything that it does: choosing borders,
growing trees, compiling them to tables and proving that the tables score every fitted loan bit-equal to CatBoost. Left out: reading a
book, other folds, calibration.

The fit runs in a process of its own, so that its peak resident memory (the matrix of 1.2 GB and all libraries included) is nobody
else's. It is one fit: the time is one sample. `--quick` takes 20,000 loans and 50 trees and checks
neither bound: such a fit says nothing about them.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.form import Case, publish
from instant_credit.application.product import Direction
from instant_credit.training.dataset import ModelColumns
from instant_credit.training.fitting.fit import FitParameters, fit_model

VARIABLES = 300
CATEGORIES = tuple(range(3, 53, 5))
SECONDS_MAX = 600
GIB_MAX = 8
CHUNK = 50_000
SIZES = {False: (1_000_000, 500), True: (20_000, 50)}


def invent(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, ModelColumns]:
    """Loans whose risk follows a few variables, pairs of them and one category; written into one matrix chunk by chunk."""
    generator = np.random.Generator(np.random.PCG64(seed))
    numbers = VARIABLES - len(CATEGORIES)
    matrix = np.empty((rows, VARIABLES), dtype=np.float32)
    labels = np.empty(rows, dtype=np.int8)
    for first in range(0, rows, CHUNK):
        part = matrix[first : first + CHUNK]
        part[:, :numbers] = generator.standard_normal((len(part), numbers), dtype=np.float32)
        part[:, numbers // 2 : numbers] = np.round(part[:, numbers // 2 : numbers] * 4)
        for j, count in enumerate(CATEGORIES, start=numbers):
            part[:, j] = generator.integers(0, count, len(part))
        risk = -2.0 + 0.5 * part[:, :8].sum(axis=1) + part[:, 9] * part[:, 10] + 0.5 * (part[:, -1] % 2)
        labels[first : first + CHUNK] = generator.random(len(part)) < 1 / (1 + np.exp(-risk))
        for j in range(0, numbers, 10):
            part[generator.random(len(part)) < 0.1, j] = np.nan
    directions = [Direction.INCREASING if j < 8 or j % 5 == 0 else Direction.FREE for j in range(numbers)]
    columns = ModelColumns(
        names=tuple(f"variable_{j}" for j in range(VARIABLES)),
        directions=(*directions, *[Direction.FREE] * len(CATEGORIES)),
        categories=(*[()] * numbers, *(tuple(f"category_{k}" for k in range(count)) for count in CATEGORIES)),
    )
    return matrix, labels, columns


def measure(rows: int, trees: int, seed: int) -> dict[str, float]:
    """Fit once in this process; nanoseconds, processor seconds and peak memory in KiB."""
    matrix, labels, columns = invent(rows, seed)
    parameters = FitParameters(iterations=trees, depth=6, learning_rate=0.1, l2_leaf_reg=3, variables_share=1.0)
    # Kernels and libraries are loaded before the clock starts.
    fit_model(matrix[:2_000], labels[:2_000], columns, FitParameters(iterations=2))
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter_ns()
    fitted = fit_model(matrix, labels, columns, parameters)
    elapsed = time.perf_counter_ns() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"ns": elapsed, "processor": processor, "kib": after.ru_maxrss, "trees": fitted.tables.tree_count}


def run(*, out: Path | None, quick: bool, seed: int) -> list[str]:
    rows, trees = SIZES[quick]
    command = [sys.executable, "-m", "benchmarks.fit", str(rows), str(trees), str(seed)]
    root = Path(__file__).resolve().parents[1]
    found = json.loads(subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True).stdout)
    seconds, gib = found["ns"] / 1e9, found["kib"] / 2**20
    bounds = {} if quick else {"within_10_minutes": seconds <= SECONDS_MAX, "within_8_gib": gib <= GIB_MAX}
    case = Case(
        name=f"fit {rows:,} x {VARIABLES}, {trees} trees of depth 6",
        ours=[found["ns"]],
        unit="s",
        checks={
            "seconds": round(seconds, 1),
            "processor_seconds": round(found["processor"], 1),
            "peak_gib": round(gib, 2),
            "all_trees": found["trees"] == trees,
            **bounds,
        },
    )
    return publish("fit", [case], seed, out)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(*(int(word) for word in sys.argv[1:]))))
