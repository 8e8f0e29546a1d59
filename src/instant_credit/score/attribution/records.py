"""The tables behind the two definitions of an attribution, in float64 and in whole units.

Whole units are 2^-44 log-odds in int64. Sums of integers are exact, so that neither the order of the trees nor the number of rows told
together can move a single bit of a contribution; and every sum stays below 2^53 units (512 log-odds), so that it is a float64 as it
stands. A model that could leave this range is refused.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.score.attribution import kernels
from instant_credit.score.kernels import UNITS
from instant_credit.score.layout import Layout
from instant_credit.score.trees import TreeTables

SUM_MAX: Final = 2.0**53


def share_out(
    layout: Layout, leaf_weights: NDArray[np.float64] | NDArray[np.int64], *, is_reference: bool
) -> tuple[NDArray[np.float64], float]:
    """Contributions of every leaf and the base they count from.

    Parameters
    ----------
    leaf_weights : [leaves], tree after tree: counts of the reference's rows if `is_reference`, else the training covers.

    Returns
    -------
    float64[t, 2^d, w], w >= d + 1: a leaf's unscaled value, then scaled log-odds by slot; and the scaled base with the bias.
    """
    tables, depth = layout.tables, layout.depth
    # Records of a power of two numbers start on cache lines: depth 6 fills 64 bytes.
    width = 1 << depth.bit_length() if depth & (depth + 1) else depth + 1
    records = np.zeros((tables.tree_count, 1 << depth, width))
    means = np.empty(tables.tree_count)
    weights = layout.pad_leaves(leaf_weights)
    kernels.build_records(
        layout.slots, tables.depths, layout.leaf_values, weights, is_reference, tables.scale, records, means
    )
    try:
        expected = math.fsum(means.tolist()) * tables.scale + tables.bias
    except (OverflowError, ValueError):
        expected = math.nan
    if not math.isfinite(expected):
        raise Refused(
            "model tables: leaf values are too large: their sum is no number; train with a smaller learning rate"
        )
    return records, expected


def fix_contributions(layout: Layout, records: NDArray[np.float64]) -> NDArray[np.int64]:
    """The contributions of `records` (as `share_out` gives them) in whole units, by slot: int64[t, 2^d, d].

    Raises
    ------
    Refused : some row's contributions, or some of them, could add up to 2^53 units or more.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        most = float(np.abs(records[:, :, 1:]).sum(axis=2).max(axis=1).sum())
    # Rounding moves a tree's entries by at most one unit each.
    if not most * UNITS + layout.slots.size < SUM_MAX:
        raise Refused(
            f"model tables: leaf values are too large: contributions may reach {most:.6g} log-odds, "
            f"where less than {SUM_MAX / UNITS:g} is explained exactly; train with a smaller learning rate or scale"
        )
    fixed = np.empty((*layout.is_leaf.shape, layout.depth), dtype=np.int64)
    kernels.fix_records(records, UNITS, fixed)
    return fixed


def check_counts(tables: TreeTables, counts: NDArray[np.int64]) -> int:
    """How many rows `counts` int64[leaves] counts, once in every tree.

    Raises
    ------
    Refused : counts of another model, or of no rows.
    """
    if counts.shape != tables.leaf_values.shape or counts.dtype != np.int64 or (len(counts) and counts.min() < 0):
        raise Refused(f"leaf counts must be {len(tables.leaf_values)} whole numbers of at least 0")
    rows_by_tree = np.add.reduceat(counts, tables.leaf_offsets[:-1])
    n = int(rows_by_tree[0])
    if n < 1 or bool(np.any(rows_by_tree != n)):
        raise Refused("leaf counts must count the same rows, at least one, in every tree")
    return n
