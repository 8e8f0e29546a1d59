"""Where everything stands in a model's trees, before anything is compiled from them.

Trees are padded to one depth d, and no value answers yes to a padded split, so that all trees share one loop; padding never changes a
leaf index. A tree's distinct features are its slots, numbered by first appearance from bit 0 up.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.score.trees import TreeTables


class Layout(Struct, frozen=True, kw_only=True, eq=False):
    """Tree tables with m features, b borders and t trees, padded to depth d.

    Attributes
    ----------
    split_features : int32[t, d], m where padded.
    split_places : int32[t, d], where a split's border or code stands in `tables.borders`; b where padded.
    slots : int32[t, d], the slot of each split's feature.
    slot_features : uint32[t, d], the feature of each slot; m where unused.
    is_leaf : bool[t, 2^d], real leaves; in row order they are the leaves tree after tree.
    leaf_values : float64[t, 2^d], unscaled; 0.0 beyond a tree's own leaves.
    """

    tables: TreeTables
    split_features: NDArray[np.int32]
    split_places: NDArray[np.int32]
    slots: NDArray[np.int32]
    slot_features: NDArray[np.uint32]
    is_leaf: NDArray[np.bool_]
    leaf_values: NDArray[np.float64]

    @property
    def depth(self) -> int:
        """Depth of every padded tree, at least 1."""
        return int(self.slots.shape[1])

    def pad_leaves(self, by_leaf: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        """Numbers by leaf [leaves] as float64[t, 2^d] with 0.0 beyond a tree's own leaves."""
        padded = np.zeros(self.is_leaf.shape)
        padded[self.is_leaf] = by_leaf
        return padded


def lay_out(tables: TreeTables) -> Layout:
    """The layout of `tables`; all arrays are read-only."""
    depth = max(1, int(tables.depths.max()))
    trees = tables.tree_count
    tree = np.repeat(np.arange(trees), tables.depths)
    level = np.arange(len(tree)) - tables.split_offsets[tree]
    split_features = np.full((trees, depth), tables.feature_count, dtype=np.int32)
    split_features[tree, level] = tables.split_features
    split_places = np.full((trees, depth), len(tables.borders), dtype=np.int32)
    split_places[tree, level] = tables.border_offsets[tables.split_features] + tables.split_borders
    slots, slot_features = _number_slots(tables, depth)
    is_leaf = np.arange(1 << depth)[None, :] < np.left_shift(1, tables.depths.astype(np.int64))[:, None]
    leaf_values = np.zeros(is_leaf.shape)
    leaf_values[is_leaf] = tables.leaf_values
    for array in (split_features, split_places, slots, slot_features, is_leaf, leaf_values):
        array.flags.writeable = False
    return Layout(
        tables=tables,
        split_features=split_features,
        split_places=split_places,
        slots=slots,
        slot_features=slot_features,
        is_leaf=is_leaf,
        leaf_values=leaf_values,
    )


def _number_slots(tables: TreeTables, depth: int) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
    """(slot of each split [t, d], feature of each slot [t, d])."""
    slots = np.zeros((tables.tree_count, depth), dtype=np.int32)
    slot_features = np.full((tables.tree_count, depth), tables.feature_count, dtype=np.uint32)
    features = tables.split_features.tolist()
    offsets = tables.split_offsets.tolist()
    for t in range(tables.tree_count):
        seen: dict[int, int] = {}
        for j, feature in enumerate(features[offsets[t] : offsets[t + 1]]):
            slots[t, j] = slot = seen.setdefault(feature, len(seen))
            slot_features[t, slot] = feature
    return slots, slot_features
