"""Leaves of tree tables, taken together by the depth of their trees: which of them some row can reach, and which a row falls into.

A leaf whose answers contradict each other (above 5 and not above 3; two codes at once) belongs to nobody.
"""

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.score.trees import TreeTables, rank_codes


class Group(Struct, frozen=True, kw_only=True, eq=False):
    """The trees of one depth: numbers int64[t], features and borders [t, depth], values float64 and reachable bool [t, 2^depth]."""

    depth: int
    trees: NDArray[np.int64]
    features: NDArray[np.int32]
    borders: NDArray[np.float32]
    values: NDArray[np.float64]
    reachable: NDArray[np.bool_]

    def step_of(self, bit: int) -> NDArray[np.int64]:
        """Bits int64[t] that turn to yes together with `bit`: those that ask the same question."""
        is_same = (self.features == self.features[:, bit : bit + 1]) & (self.borders == self.borders[:, bit : bit + 1])
        step: NDArray[np.int64] = (is_same << np.arange(self.depth)).sum(axis=1)
        return step


def group_trees(tables: TreeTables) -> Iterator[Group]:
    """The trees of each depth that there is, by rising depth."""
    all_borders = tables.borders[tables.border_offsets[tables.split_features] + tables.split_borders]
    for depth in np.unique(tables.depths).tolist():
        trees = np.flatnonzero(tables.depths == depth)
        splits = tables.split_offsets[trees][:, None] + np.arange(depth)
        leaves = tables.leaf_offsets[trees][:, None] + np.arange(1 << depth)
        features, borders = tables.split_features[splits], all_borders[splits]
        yield Group(
            depth=depth,
            trees=trees,
            features=features,
            borders=borders,
            values=tables.leaf_values[leaves],
            reachable=_find_reachable(features, borders, tables.is_category),
        )


def list_reachable(tables: TreeTables) -> NDArray[np.bool_]:
    """Whether some row can fall into each leaf: bool[leaves], tree after tree."""
    is_reachable = np.empty(len(tables.leaf_values), dtype=np.bool_)
    for group in group_trees(tables):
        is_reachable[tables.leaf_offsets[group.trees][:, None] + np.arange(1 << group.depth)] = group.reachable
    return is_reachable


def _find_reachable(
    features: NDArray[np.int32], borders: NDArray[np.float32], is_category: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Leaves bool[t, 2^depth] whose answers do not contradict each other."""
    trees, depth = features.shape
    leaf = np.arange(1 << depth)
    reachable = np.ones((trees, 1 << depth), dtype=np.bool_)
    for i in range(depth):
        for j in range(depth):
            if i == j:
                continue
            is_yes_i, is_yes_j = leaf >> i & 1 == 1, leaf >> j & 1 == 1
            shared = np.flatnonzero(features[:, i] == features[:, j])
            is_code = is_category[features[shared, i]]
            is_equal = borders[shared, i] == borders[shared, j]
            # Above the higher border means above the lower one; a code is one code only.
            implies = np.where(is_code, is_equal, borders[shared, i] <= borders[shared, j])
            excludes = is_code & ~is_equal
            reachable[shared] &= ~(implies[:, None] & is_yes_j & ~is_yes_i)
            reachable[shared] &= ~(excludes[:, None] & is_yes_i & is_yes_j)
    return reachable


def find_leaves(tables: TreeTables, rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Places int64[n, t] in `tables.leaf_values` that rows float32[n, m] fall into, found without the kernels."""
    rows = rank_codes(tables, rows)
    filled = np.where(np.isnan(rows) & tables.nan_is_above, np.float32(np.inf), rows)
    places = np.empty((len(rows), tables.tree_count), dtype=np.int64)
    offsets = tables.leaf_offsets
    for group in group_trees(tables):
        asked = filled[:, group.features]
        is_yes = np.where(tables.is_category[group.features], asked == group.borders, asked > group.borders)
        places[:, group.trees] = offsets[group.trees] + (is_yes << np.arange(group.depth)).sum(axis=2)
    return places
