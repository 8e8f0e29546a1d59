"""Compiled loops that turn tree tables into tables of Shapley values.

A tree's features are its slots, numbered by first appearance from bit 0 up. A coalition is a set of slots (bit s: the feature of slot
s is known). Both definitions of `model.py` first value every coalition in every leaf, then share the tree's value out by the same
Shapley weights. Every kernel trusts `records.py` for dtypes, lengths and ranges.
"""

import numpy as np
from numba import njit, types

from instant_credit.features.kernels import READ_FLOAT_ROWS, READ_FLOATS, READ_INT_ROWS, READ_INTS, WRITE_FLOAT_ROWS

READ_FLOAT_BLOCKS = types.Array(types.float64, 3, "C", readonly=True)
WRITE_FLOATS = types.Array(types.float64, 1, "C")
WRITE_FLOAT_BLOCKS = types.Array(types.float64, 3, "C")
WRITE_UNIT_BLOCKS = types.Array(types.int64, 3, "C")


@njit(
    types.void(READ_INTS, types.int64, READ_FLOATS, READ_FLOATS, WRITE_FLOAT_ROWS),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def value_coalitions(slots, depth, leaf_values, leaf_weights, coalitions):  # type: ignore[no-untyped-def]
    """Path-dependent value of every coalition of a tree's features, in every leaf: `coalitions` float64[2^k, 2^depth].

    Splits are taken from bit 0, the lowest, up to the root: a split of a known feature follows the leaf's own bit, a split of an
    unknown one averages its two children by their covers, equally where neither has any.
    """
    size = 1 << depth
    covers = leaf_weights[:size].copy()
    for leaf in range(size):
        coalitions[0, leaf] = leaf_values[leaf]
    known = 0
    for j in range(depth):
        slot = slots[j]
        half = 1 << known
        if slot == known:
            for c in range(half):
                for leaf in range(size):
                    coalitions[half + c, leaf] = coalitions[c, leaf]
            known += 1
        low = 1 << j
        for prefix in range(size >> (j + 1)):
            below = covers[2 * prefix]
            above = covers[2 * prefix + 1]
            if below + above == 0.0:
                below = 1.0
                above = 1.0
            total = below + above
            for c in range(1 << known):
                if (c >> slot) & 1 == 0:
                    start = prefix << (j + 1)
                    for leaf in range(start, start + low):
                        mean = (below * coalitions[c, leaf] + above * coalitions[c, leaf + low]) / total
                        coalitions[c, leaf] = mean
                        coalitions[c, leaf + low] = mean
            covers[prefix] = covers[2 * prefix] + covers[2 * prefix + 1]


@njit(
    types.void(READ_INTS, types.int64, READ_FLOATS, READ_FLOATS, WRITE_FLOAT_ROWS),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def value_against_reference(slots, depth, leaf_values, leaf_counts, coalitions):  # type: ignore[no-untyped-def]
    """Interventional value of every coalition of a tree's features, in every leaf: `coalitions` float64[2^k, 2^depth].

    A leaf x with coalition S is worth the mean, over the rows z that `leaf_counts` counts, of the leaf that has x's bits where the
    split's feature is in S and z's bits elsewhere. Reference rows that agree on the unknown bits are added up first.
    """
    size = 1 << depth
    features = 0
    rows = 0.0
    for j in range(depth):
        features = max(features, slots[j] + 1)
    for leaf in range(size):
        rows += leaf_counts[leaf]
    unknown = np.empty(size, dtype=np.float64)
    for c in range(1 << features):
        mask = 0
        for j in range(depth):
            mask |= ((c >> slots[j]) & 1) << j
        for leaf in range(size):
            unknown[leaf] = 0.0
        for leaf in range(size):
            unknown[leaf & ~mask] += leaf_counts[leaf]
        for leaf in range(size):
            if leaf & ~mask == 0:
                total = 0.0
                for other in range(size):
                    if other & mask == 0:
                        total += unknown[other] * leaf_values[leaf | other]
                coalitions[c, leaf] = total / rows
        for leaf in range(size):
            coalitions[c, leaf] = coalitions[c, leaf & mask]


@njit(
    types.void(
        READ_INT_ROWS,
        READ_INTS,
        READ_FLOAT_ROWS,
        READ_FLOAT_ROWS,
        types.boolean,
        types.float64,
        WRITE_FLOAT_BLOCKS,
        WRITE_FLOATS,
    ),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def build_records(slots, depths, leaf_values, leaf_weights, is_reference, scale, records, means):  # type: ignore[no-untyped-def]
    """Fill `records` float64[t, 2^d, w] (zeroed) and `means` float64[t]: each leaf's value and scaled contributions.

    `slots` int32[t, d]; `leaf_weights` float64[t, 2^d] are the reference's counts if `is_reference`, else covers. A contribution is the
    Shapley value of the game of `value_against_reference` or `value_coalitions`; a tree's mean is what its empty coalition is worth.
    """
    trees, leaves = leaf_values.shape
    coalitions = np.empty((leaves, leaves), dtype=np.float64)
    shares = np.empty(16, dtype=np.float64)
    for t in range(trees):
        depth = depths[t]
        size = 1 << depth
        features = 0
        for j in range(depth):
            features = max(features, slots[t, j] + 1)
        if is_reference:
            value_against_reference(slots[t], depth, leaf_values[t], leaf_weights[t], coalitions)
        else:
            value_coalitions(slots[t], depth, leaf_values[t], leaf_weights[t], coalitions)
        means[t] = coalitions[0, 0]
        # shares[q] = q! (k - q - 1)! / k!, the weight of a coalition of q features that the next one joins.
        if features > 0:
            shares[0] = 1.0 / features
            for q in range(1, features):
                shares[q] = shares[q - 1] * q / (features - q)
        for leaf in range(size):
            records[t, leaf, 0] = leaf_values[t, leaf]
        for c in range(1 << features):
            joined = 0
            for s in range(features):
                joined += (c >> s) & 1
            for s in range(features):
                if (c >> s) & 1 == 0:
                    other = c | (1 << s)
                    for leaf in range(size):
                        gain = coalitions[other, leaf] - coalitions[c, leaf]
                        records[t, leaf, 1 + s] += shares[joined] * gain
        for leaf in range(size):
            for s in range(features):
                records[t, leaf, 1 + s] *= scale


@njit(types.void(READ_FLOAT_BLOCKS, types.float64, WRITE_UNIT_BLOCKS), cache=True, error_model="numpy", fastmath=False)
def fix_records(records, units, fixed):  # type: ignore[no-untyped-def]
    """Turn contributions into whole units: `records` float64[t, 2^d, w] -> `fixed` int64[t, 2^d, d], 1 / `units` each.

    Each leaf's running sum is rounded to even, never an entry alone. So entries add up to the rounded sum of the leaf, each is at
    most one unit off, and a contribution of nothing stays nothing.
    """
    trees, leaves, depth = fixed.shape
    for t in range(trees):
        for leaf in range(leaves):
            total = 0.0
            before = 0.0
            for s in range(depth):
                total += records[t, leaf, 1 + s]
                after = np.rint(total * units)
                fixed[t, leaf, s] = np.int64(after - before)
                before = after
