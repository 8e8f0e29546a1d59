"""The compiled model: tree tables prepared for scoring and for exact attributions.

Attribution. For a row x and a set S of features, let v(S) be the expected raw score when only the features of S are known: a split
on a known feature follows x; a split on an unknown one weighs its children by their cover, the training weight that fell into
them (`leaf_weights`); where a node has no cover at all, its children weigh equally. The last split of a tree is its root. Leaves
count with their real value even when no training weight fell into them, as happens in monotone models. A feature's contribution is
its Shapley value in the game v; v of nothing known is `expected_log_odds`. So, for every row,

    expected_log_odds + sum of contributions = raw score (up to rounding).

This is the path-dependent value of Lundberg et al. (2020), "From local explanations to global understanding with explainable AI
for trees", algorithm 1. In a symmetric tree every answer is known from the leaf index alone, so contributions are a table by tree,
leaf and feature; a row is explained by one look-up per tree. CatBoost's `ShapValues` gives the same figures for models whose
empty leaves are worth 0; otherwise its figures depend on the pool that it is shown, ours do not.

Steps: TreeTables -> columns (numbers as they are, one column per category code asked for) -> trees padded to one depth ->
records float64[t, 2^d, w] (value and contributions of each leaf) -> kernels.
"""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused, require
from instant_credit.score import kernels
from instant_credit.score.trees import TreeTables

# Below this many rows one row at a time is faster than a block (break-even on 300 trees of depth 6: about 8 rows).
FEW_ROWS = 8


class CompiledModel(Struct, frozen=True, kw_only=True, eq=False):
    """A model ready to score; made by `compile_model`. Arrays as in `kernels.py`, all read-only.

    `expected_log_odds` is the raw score before anything is known, the base from which contributions count.
    """

    tables: TreeTables
    expected_log_odds: float
    column_features: NDArray[np.uint32]
    column_codes: NDArray[np.float32]
    tree_columns: NDArray[np.uint32]
    split_borders: NDArray[np.float32]
    leaf_values: NDArray[np.float64]
    records: NDArray[np.float64]
    affine: NDArray[np.float64]


def compile_model(tables: TreeTables) -> CompiledModel:
    """Prepare `tables` for scoring; contribution tables are built here, once per model."""
    depth = max(1, int(tables.depths.max()))
    split_columns, column_features, column_codes, borders = _lay_columns(tables)
    trees = tables.tree_count
    tree_of_split = np.repeat(np.arange(trees), tables.depths)
    level = np.arange(len(split_columns)) - tables.split_offsets[tree_of_split]
    tree_columns = np.zeros((trees, 2 * depth), dtype=np.uint32)
    tree_columns[:, depth:] = tables.feature_count
    tree_columns[tree_of_split, level] = split_columns
    split_borders = np.full((trees, depth), np.inf, dtype=np.float32)
    split_borders[tree_of_split, level] = borders
    slots = _number_slots(tables, tree_columns, depth)
    is_leaf = _leaf_mask(tables, depth)
    leaf_values = np.zeros(is_leaf.shape)
    leaf_values[is_leaf] = tables.leaf_values
    leaf_weights = np.zeros(is_leaf.shape)
    leaf_weights[is_leaf] = tables.leaf_weights
    # Records of a power of two numbers start on cache lines: depth 6 fills 64 bytes.
    width = 1 << depth.bit_length() if depth & (depth + 1) else depth + 1
    records = np.zeros((trees, 1 << depth, width))
    means = np.empty(trees)
    kernels.build_records(slots, tables.depths, leaf_values, leaf_weights, tables.scale, records, means)
    arrays = (column_features, column_codes, tree_columns, split_borders, leaf_values, records)
    affine = np.array([tables.scale, tables.bias])
    for array in (*arrays, affine):
        array.flags.writeable = False
    return CompiledModel(
        tables=tables,
        expected_log_odds=math.fsum(means.tolist()) * tables.scale + tables.bias,
        column_features=column_features,
        column_codes=column_codes,
        tree_columns=tree_columns,
        split_borders=split_borders,
        leaf_values=leaf_values,
        records=records,
        affine=affine,
    )


def score_rows(model: CompiledModel, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Raw scores in log-odds of default.

    Parameters
    ----------
    matrix : float32[n, m], C-contiguous; numbers with NaN = missing, categories as codes with -1 = missing.

    Returns
    -------
    float64[n], bit-equal to CatBoost's ``RawFormulaVal``.
    """
    _require_matrix(model, matrix)
    raw_scores = np.empty(matrix.shape[0])
    kernels.score_rows(
        matrix,
        model.column_features,
        model.column_codes,
        model.tree_columns,
        model.split_borders,
        model.leaf_values,
        model.affine,
        raw_scores,
    )
    return raw_scores


def explain_rows(model: CompiledModel, matrix: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Raw scores and what each feature contributed to them.

    Parameters
    ----------
    matrix : as in `score_rows`.

    Returns
    -------
    float64[n] the same bits as `score_rows`, and float64[n, m] log-odds of default (positive raises the risk; 0.0 for a feature
    that no split asks for).
    """
    _require_matrix(model, matrix)
    n, m = matrix.shape
    out = np.empty(n * (m + 1))
    kernel = kernels.explain_few if n < FEW_ROWS else kernels.explain_rows
    kernel(
        matrix,
        model.column_features,
        model.column_codes,
        model.tree_columns,
        model.split_borders,
        model.records,
        model.affine,
        out,
    )
    return out[:n], out[n:].reshape(n, m)


def leaf_counts(model: CompiledModel, matrix: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many rows of `matrix` (as in `score_rows`) fall into each leaf: int64[leaves], tree after tree.

    Counts of two sets of rows add up to the counts of both.
    """
    _require_matrix(model, matrix)
    counts = np.zeros(model.leaf_values.shape, dtype=np.int64)
    kernels.count_leaves(
        matrix, model.column_features, model.column_codes, model.tree_columns, model.split_borders, counts
    )
    return counts[_leaf_mask(model.tables, model.split_borders.shape[1])]


def mean_contributions(model: CompiledModel, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean contribution of each feature over a population, from its counts per leaf alone.

    Parameters
    ----------
    counts : int64[leaves] as `leaf_counts` gives them, of at least one row.

    Returns
    -------
    float64[m] log-odds of default.

    Raises
    ------
    Refused : counts of another model, or of no rows.
    """
    tables = model.tables
    if counts.shape != tables.leaf_values.shape or counts.dtype != np.int64 or (len(counts) and counts.min() < 0):
        raise Refused(f"leaf counts must be {len(tables.leaf_values)} whole numbers of at least 0")
    rows_by_tree = np.add.reduceat(counts, tables.leaf_offsets[:-1])
    n = int(rows_by_tree[0])
    if n < 1 or bool(np.any(rows_by_tree != n)):
        raise Refused("leaf counts must count the same rows, at least one, in every tree")
    padded = np.zeros(model.leaf_values.shape, dtype=np.int64)
    padded[_leaf_mask(tables, model.split_borders.shape[1])] = counts
    totals = np.zeros(tables.feature_count + 1)
    kernels.total_contributions(padded, model.tree_columns, model.records, totals)
    return totals[:-1] / n


def _require_matrix(model: CompiledModel, matrix: NDArray[np.float32]) -> None:
    require(
        matrix.ndim == 2
        and matrix.dtype == np.float32
        and matrix.flags.c_contiguous
        and matrix.shape[1] == model.tables.feature_count,
        f"a model matrix is float32[n, {model.tables.feature_count}], C-contiguous",
    )


def _leaf_mask(tables: TreeTables, depth: int) -> NDArray[np.bool_]:
    """Which places of [t, 2^depth] are real leaves; in row order they are the leaves tree after tree."""
    return np.arange(1 << depth)[None, :] < np.left_shift(1, tables.depths.astype(np.int64))[:, None]


def _lay_columns(
    tables: TreeTables,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.float32], NDArray[np.float32]]:
    """Columns that splits ask for: (column of each split, features, codes, border of each split).

    A number becomes one column; a category one column of 1.0 and 0.0 per code asked for, with 0.5 as its border.
    """
    borders = tables.borders[tables.border_offsets[tables.split_features] + tables.split_borders]
    is_code = tables.is_category[tables.split_features]
    asked = np.where(is_code, tables.split_borders, -1)
    keys = np.stack([tables.split_features, asked.astype(np.int32)], axis=1)
    if len(keys) == 0:
        return np.empty(0, np.uint32), np.zeros(1, np.uint32), np.full(1, np.nan, np.float32), borders
    distinct, split_columns = np.unique(keys, axis=0, return_inverse=True)
    features = np.ascontiguousarray(distinct[:, 0], dtype=np.uint32)
    codes = np.where(tables.nan_is_above[features], np.inf, np.nan).astype(np.float32)
    is_indicator = distinct[:, 1] >= 0
    positions = tables.border_offsets[features[is_indicator]] + distinct[is_indicator, 1]
    codes[is_indicator] = tables.borders[positions]
    split_borders = np.where(is_code, np.float32(0.5), borders).astype(np.float32)
    return split_columns.astype(np.uint32).ravel(), features, codes, split_borders


def _number_slots(tables: TreeTables, tree_columns: NDArray[np.uint32], depth: int) -> NDArray[np.int32]:
    """Number each tree's distinct features by first appearance; writes them into the second half of `tree_columns`."""
    slots = np.zeros((tables.tree_count, depth), dtype=np.int32)
    features = tables.split_features.tolist()
    offsets = tables.split_offsets.tolist()
    for t in range(tables.tree_count):
        seen: dict[int, int] = {}
        for j, feature in enumerate(features[offsets[t] : offsets[t + 1]]):
            slots[t, j] = slot = seen.setdefault(feature, len(seen))
            tree_columns[t, depth + slot] = feature
    return slots
