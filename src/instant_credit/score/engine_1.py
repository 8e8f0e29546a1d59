"""How releases of engine 1 explain: path-dependent contributions added up in float64, in tree order.

A decision that engine 1 recorded must come out again with the same bytes, so its sums are kept as they were. The definition is the
path-dependent one of `model.py`, which also gives raw scores and leaf counts for these releases; contributions of the two agree to
1e-9. New releases are made for the present engine.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.score import kernels
from instant_credit.score.attribution.records import check_counts, share_out
from instant_credit.score.layout import Layout, lay_out
from instant_credit.score.program import build_program
from instant_credit.score.trees import TreeTables


class ModelOfEngine1(Struct, frozen=True, kw_only=True, eq=False):
    """A model as engine 1 explains it. `records` float64[t, 2^d, w] hold a leaf's unscaled value, then its contributions."""

    tables: TreeTables
    expected_log_odds: float
    layout: Layout
    program: NDArray[np.int64]
    records: NDArray[np.float64]


def compile_engine_1(tables: TreeTables) -> ModelOfEngine1:
    """Prepare `tables` for engine 1."""
    m = tables.feature_count
    require(not tables.code_ranks, "models of engine 1 have no ordered categories")
    layout = lay_out(tables)
    records, expected = share_out(layout, tables.leaf_weights, is_reference=False)
    records.flags.writeable = False
    # Its own float64 contributions stand in `records`; the program's are read by no one.
    program = build_program(layout, np.zeros((*records.shape[:2], layout.depth), np.int64), np.zeros(m, np.uint32))
    return ModelOfEngine1(tables=tables, expected_log_odds=expected, layout=layout, program=program, records=records)


def explain_engine_1(
    model: ModelOfEngine1, matrix: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Raw scores float64[n] and contributions float64[n, m] of `matrix` float32[n, m], as `model.explain_rows` tells them."""
    n, m = matrix.shape
    require(
        matrix.dtype == np.float32 and matrix.flags.c_contiguous and m == model.tables.feature_count,
        f"a model matrix is float32[n, {model.tables.feature_count}], C-contiguous",
    )
    out = np.empty(n * (m + 1))
    kernels.explain_engine_1(matrix, model.program, model.layout.slot_features, model.records, out)
    return out[:n], out[n:].reshape(n, m)


def mean_contributions_engine_1(model: ModelOfEngine1, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean contribution float64[m] of each feature over the rows that `counts` int64[leaves] counts.

    Raises
    ------
    Refused : counts of another model, or of no rows.
    """
    n = check_counts(model.tables, counts)
    padded = np.zeros(model.layout.is_leaf.shape, dtype=np.int64)
    padded[model.layout.is_leaf] = counts
    totals = np.zeros(model.tables.feature_count + 1)
    kernels.total_contributions(padded, model.layout.slot_features, model.records, totals)
    return totals[:-1] / n
