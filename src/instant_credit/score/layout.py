"""Where everything stands: tree tables laid out in columns, padded trees and slots, before anything is compiled from them.

Columns are what splits ask: a number is one column; a category is one column of 1.0 and 0.0 per code asked for, with 0.5 as its
border. Trees are padded to one depth d with splits that no value answers (border = +inf), so that all trees share one loop; padding
never changes a leaf index.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.score.trees import TreeTables


class Layout(Struct, frozen=True, kw_only=True, eq=False):
    """Tree tables with c columns, t trees, padded to depth d.

    Attributes
    ----------
    column_features : uint32[c], which feature a column is read from.
    column_codes : float32[c]; NaN: a number as it is; +inf: a number whose missing lies above; else: 1.0 where it equals the code.
    tree_columns : uint32[t, 2 d], the columns that splits ask for, then the features of a tree's slots (unused slots: m).
    split_borders : float32[t, d]; a split says yes where column > border.
    slots : int32[t, d], the slot of each split's feature; slots are numbered by first appearance from bit 0 up.
    is_leaf : bool[t, 2^d], real leaves; in row order they are the leaves tree after tree.
    leaf_values : float64[t, 2^d], unscaled; 0.0 beyond a tree's own leaves.
    """

    tables: TreeTables
    column_features: NDArray[np.uint32]
    column_codes: NDArray[np.float32]
    tree_columns: NDArray[np.uint32]
    split_borders: NDArray[np.float32]
    slots: NDArray[np.int32]
    is_leaf: NDArray[np.bool_]
    leaf_values: NDArray[np.float64]

    @property
    def depth(self) -> int:
        """Depth of every padded tree, at least 1."""
        return int(self.split_borders.shape[1])

    def pad_leaves(self, by_leaf: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        """Numbers by leaf [leaves] as float64[t, 2^d] with 0.0 beyond a tree's own leaves."""
        padded = np.zeros(self.is_leaf.shape)
        padded[self.is_leaf] = by_leaf
        return padded


def lay_out(tables: TreeTables) -> Layout:
    """The layout of `tables`; all arrays are read-only."""
    depth = max(1, int(tables.depths.max()))
    trees = tables.tree_count
    split_columns, column_features, column_codes, borders = _lay_columns(tables)
    tree_of_split = np.repeat(np.arange(trees), tables.depths)
    level = np.arange(len(split_columns)) - tables.split_offsets[tree_of_split]
    tree_columns = np.zeros((trees, 2 * depth), dtype=np.uint32)
    tree_columns[:, depth:] = tables.feature_count
    tree_columns[tree_of_split, level] = split_columns
    split_borders = np.full((trees, depth), np.inf, dtype=np.float32)
    split_borders[tree_of_split, level] = borders
    slots = _number_slots(tables, tree_columns, depth)
    is_leaf = np.arange(1 << depth)[None, :] < np.left_shift(1, tables.depths.astype(np.int64))[:, None]
    leaf_values = np.zeros(is_leaf.shape)
    leaf_values[is_leaf] = tables.leaf_values
    for array in (column_features, column_codes, tree_columns, split_borders, slots, is_leaf, leaf_values):
        array.flags.writeable = False
    return Layout(
        tables=tables,
        column_features=column_features,
        column_codes=column_codes,
        tree_columns=tree_columns,
        split_borders=split_borders,
        slots=slots,
        is_leaf=is_leaf,
        leaf_values=leaf_values,
    )


def _lay_columns(
    tables: TreeTables,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.float32], NDArray[np.float32]]:
    """Columns that splits ask for: (column of each split, features, codes, border of each split)."""
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
