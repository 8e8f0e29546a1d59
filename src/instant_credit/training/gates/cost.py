"""Cost: what a row scored and explained takes, and what the bundle weighs, as multiples of the champion's.

Both models are timed one after the other on the same machine, row by row in turn, and the medians compared, so that whatever else the
machine does meets both. The size is exact. Without a champion only the absolute limits hold. Time is read from a stopwatch that is
handed in: with one that ticks by itself the same contest gives the same report.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.decision.gate_report import Gate, GateResult, Verdict
from instant_credit.score.model import CompiledModel, explain_row
from instant_credit.training.gates.contest import Contest
from instant_credit.training.gates.figures import conclude, tell

Stopwatch = Callable[[], int]

ROWS: Final = 100
ROUNDS: Final = 5
_WARM_ROUNDS: Final = 1


def judge_cost(contest: Contest, stopwatch: Stopwatch) -> GateResult:
    """Time of a row and size of the bundle, against their limits.

    Parameters
    ----------
    stopwatch : tells nanoseconds, never falling.
    """
    limits, champion = contest.thresholds.cost, contest.champion
    models = [contest.candidate.model]
    matrices = [contest.test.matrix]
    if champion is not None and contest.champion_test is not None:
        models.append(champion.model)
        matrices.append(contest.champion_test)
    medians = time_rows(models, [np.ascontiguousarray(one[:ROWS]) for one in matrices], stopwatch)
    own_us, own_bytes = medians[0] / 1e3, len(contest.candidate.bundle_raw)
    figures = [
        tell("bundle", own_bytes, "bytes", at_most=limits.bundle_bytes_max),
        tell("one row, median", own_us, "us", at_most=limits.row_us_max),
    ]
    told = [f"it weighs {own_bytes:,} bytes (at most {limits.bundle_bytes_max:,})"]
    told.append(f"a row takes {own_us:.1f} us (at most {limits.row_us_max:.1f})")
    is_within = own_bytes <= limits.bundle_bytes_max and own_us <= limits.row_us_max
    if champion is not None:
        size_ratio = own_bytes / len(champion.bundle_raw)
        row_ratio = medians[0] / max(medians[1], 1.0)
        figures += [
            tell("bundle over the champion's", size_ratio, "ratio", at_most=limits.bundle_ratio_max),
            tell("row over the champion's", row_ratio, "ratio", at_most=limits.row_ratio_max),
        ]
        told.append(
            f"that is {size_ratio:.2f} times the champion's weight (at most {limits.bundle_ratio_max:.2f}) and {row_ratio:.2f} times its "
            f"time (at most {limits.row_ratio_max:.2f})"
        )
        is_within = is_within and size_ratio <= limits.bundle_ratio_max and row_ratio <= limits.row_ratio_max
    verdict = Verdict.PASSED if is_within else Verdict.FAILED
    head = "The candidate is light enough" if is_within else "The candidate costs too much"
    return conclude(Gate.COST, verdict, f"{head}: {'; '.join(told)}.", figures)


def time_rows(models: list[CompiledModel], matrices: list[NDArray[np.float32]], stopwatch: Stopwatch) -> list[float]:
    """Median nanoseconds of `explain_row` for each model over its rows float32[n > 0, m], row by row in turn."""
    taken: list[list[int]] = [[] for _ in models]
    rows = [[np.ascontiguousarray(row) for row in matrix] for matrix in matrices]
    for turn in range(ROUNDS + _WARM_ROUNDS):
        for place in range(len(rows[0])):
            for k, model in enumerate(models):
                row = rows[k][place]
                started = stopwatch()
                explain_row(model, row)
                ended = stopwatch()
                if turn >= _WARM_ROUNDS:
                    taken[k].append(ended - started)
    return [float(np.median(one)) for one in taken]
