"""Compiled loops over tree tables: score, explain, count leaves, build contribution tables, calibrate.

Every kernel trusts its caller (`model.py`, `calibration.py`) for dtypes, lengths and ranges. Trees are padded to one depth d with
splits that no value answers (border = +inf), so that all trees share one loop; padding never changes a leaf index.

Shared arrays, for c columns, t trees, depth d, records of w >= d + 1 numbers::

    column_features  uint32[c]           which feature a column is read from
    column_codes     float32[c]          NaN: a number as it is; +inf: a number whose missing lies above; else: 1.0 where it equals
    tree_columns     uint32[t, 2 d]      the columns that splits ask for, then the features whose contributions a leaf holds
    split_borders    float32[t, d]       a split says yes where column > border
    records          float64[t, 2^d, w]  a leaf's unscaled value, then its contributions

Rows are walked in blocks: within a block the loop over rows is innermost, so that it runs in vector registers. Each row's sums are
still added in tree order, one tree at a time; a row has the same bits alone and among a million.
"""

import math

import numpy as np
from numba import njit, types

from instant_credit.features.kernels import (
    READ_FLOAT_ROWS,
    READ_FLOATS,
    WRITE_SINGLE_ROWS,
)

READ_SINGLES = types.Array(types.float32, 1, "C", readonly=True)
READ_SINGLE_ROWS = types.Array(types.float32, 2, "C", readonly=True)
READ_FLOAT_BLOCKS = types.Array(types.float64, 3, "C", readonly=True)
READ_COUNT_ROWS = types.Array(types.int64, 2, "C", readonly=True)
# Places are unsigned, so that an index needs no test for counting from the end.
READ_PLACES = types.Array(types.uint32, 1, "C", readonly=True)
READ_PLACE_ROWS = types.Array(types.uint32, 2, "C", readonly=True)
WRITE_FLOATS = types.Array(types.float64, 1, "C")
WRITE_FLOAT_BLOCKS = types.Array(types.float64, 3, "C")
WRITE_COUNT_ROWS = types.Array(types.int64, 2, "C")
WRITE_PLACES = types.Array(types.uint32, 1, "C")

BLOCK_ROWS = 64
UNIT = 2.0**-44


@njit(
    types.void(READ_SINGLE_ROWS, types.int64, types.int64, READ_PLACES, READ_SINGLES, WRITE_SINGLE_ROWS),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def _read_columns(matrix, first, width, column_features, column_codes, columns):  # type: ignore[no-untyped-def]
    """Rows first .. first + width of `matrix`, turned into columns [c, block]."""
    for c in range(column_features.shape[0]):
        f = column_features[c]
        code = column_codes[c]
        if math.isnan(code):
            for r in range(width):
                columns[c, r] = matrix[first + r, f]
        elif math.isinf(code):
            for r in range(width):
                value = matrix[first + r, f]
                columns[c, r] = np.float32(np.inf) if math.isnan(value) else value
        else:
            for r in range(width):
                columns[c, r] = np.float32(1.0) if matrix[first + r, f] == code else np.float32(0.0)


@njit(
    types.void(READ_SINGLE_ROWS, types.int64, READ_PLACE_ROWS, READ_SINGLE_ROWS, types.int64, WRITE_PLACES),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def _find_leaves(columns, width, tree_columns, split_borders, tree, leaves):  # type: ignore[no-untyped-def]
    """Leaf index of each row of a block in one tree: bit j is the answer to split j."""
    for r in range(width):
        leaves[r] = 0
    for j in range(split_borders.shape[1]):
        c = tree_columns[tree, j]
        border = split_borders[tree, j]
        for r in range(width):
            leaves[r] |= np.uint32(columns[c, r] > border) << np.uint32(j)


@njit(
    types.void(
        READ_SINGLE_ROWS,
        READ_PLACES,
        READ_SINGLES,
        READ_PLACE_ROWS,
        READ_SINGLE_ROWS,
        READ_FLOAT_ROWS,
        READ_FLOATS,
        WRITE_FLOATS,
    ),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def score_rows(matrix, column_features, column_codes, tree_columns, split_borders, leaf_values, affine, out):  # type: ignore[no-untyped-def]
    """Raw scores float64[n] of `matrix` float32[n, m]; `leaf_values` float64[t, 2^d], `affine` is (scale, bias)."""
    n = matrix.shape[0]
    columns = np.empty((column_features.shape[0], BLOCK_ROWS), dtype=np.float32)
    leaves = np.empty(BLOCK_ROWS, dtype=np.uint32)
    sums = np.empty(BLOCK_ROWS, dtype=np.float64)
    for first in range(0, n, BLOCK_ROWS):
        width = min(BLOCK_ROWS, n - first)
        _read_columns(matrix, first, width, column_features, column_codes, columns)
        for r in range(width):
            sums[r] = 0.0
        for t in range(split_borders.shape[0]):
            _find_leaves(columns, width, tree_columns, split_borders, t, leaves)
            for r in range(width):
                sums[r] += leaf_values[t, leaves[r]]
        for r in range(width):
            out[first + r] = sums[r] * affine[0] + affine[1]


@njit(
    types.void(
        READ_SINGLE_ROWS,
        READ_PLACES,
        READ_SINGLES,
        READ_PLACE_ROWS,
        READ_SINGLE_ROWS,
        READ_FLOAT_BLOCKS,
        READ_FLOATS,
        WRITE_FLOATS,
    ),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def explain_rows(matrix, column_features, column_codes, tree_columns, split_borders, records, affine, out):  # type: ignore[no-untyped-def]
    """Raw scores and contributions of `matrix` float32[n, m]: `out` holds n scores, then n x m contributions."""
    n, m = matrix.shape
    depth = split_borders.shape[1]
    units = records.view(np.int64)
    columns = np.empty((column_features.shape[0], BLOCK_ROWS), dtype=np.float32)
    leaves = np.empty(BLOCK_ROWS, dtype=np.uint32)
    sums = np.empty(BLOCK_ROWS, dtype=np.float64)
    # The row beyond the last feature takes what padded slots add.
    gains = np.empty((m + 1, BLOCK_ROWS), dtype=np.int64)
    for first in range(0, n, BLOCK_ROWS):
        width = min(BLOCK_ROWS, n - first)
        _read_columns(matrix, first, width, column_features, column_codes, columns)
        for r in range(width):
            sums[r] = 0.0
        for f in range(m + 1):
            for r in range(width):
                gains[f, r] = 0
        for t in range(split_borders.shape[0]):
            _find_leaves(columns, width, tree_columns, split_borders, t, leaves)
            for r in range(width):
                sums[r] += records[t, leaves[r], 0]
            for s in range(depth):
                f = tree_columns[t, depth + s]
                for r in range(width):
                    gains[f, r] += units[t, leaves[r], 1 + s]
        for r in range(width):
            out[first + r] = sums[r] * affine[0] + affine[1]
            for f in range(m):
                out[n + (first + r) * m + f] = gains[f, r] * UNIT


@njit(
    types.void(
        READ_SINGLE_ROWS,
        READ_PLACES,
        READ_SINGLES,
        READ_PLACE_ROWS,
        READ_SINGLE_ROWS,
        READ_FLOAT_BLOCKS,
        READ_FLOATS,
        WRITE_FLOATS,
    ),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def explain_few(matrix, column_features, column_codes, tree_columns, split_borders, records, affine, out):  # type: ignore[no-untyped-def]
    """What `explain_rows` gives, row by row: faster for fewer rows than a block is worth."""
    n, m = matrix.shape
    trees, depth = split_borders.shape
    units = records.view(np.int64)
    columns = np.empty((column_features.shape[0], 1), dtype=np.float32)
    values = columns.ravel()
    leaves = np.empty(trees, dtype=np.uint32)
    gains = np.empty(m + 1, dtype=np.int64)
    for i in range(n):
        _read_columns(matrix, i, 1, column_features, column_codes, columns)
        for t in range(trees):
            leaf = np.uint32(0)
            for j in range(depth):
                leaf |= np.uint32(values[tree_columns[t, j]] > split_borders[t, j]) << np.uint32(j)
            leaves[t] = leaf
        gains[:] = 0
        total = 0.0
        for t in range(trees):
            total += records[t, leaves[t], 0]
            for s in range(depth):
                gains[tree_columns[t, depth + s]] += units[t, leaves[t], 1 + s]
        out[i] = total * affine[0] + affine[1]
        for f in range(m):
            out[n + i * m + f] = gains[f] * UNIT


@njit(
    types.void(
        READ_SINGLE_ROWS,
        READ_PLACES,
        READ_SINGLES,
        READ_PLACE_ROWS,
        READ_SINGLE_ROWS,
        READ_FLOAT_BLOCKS,
        READ_FLOATS,
        WRITE_FLOATS,
    ),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def explain_engine_1(matrix, column_features, column_codes, tree_columns, split_borders, records, affine, out):  # type: ignore[no-untyped-def]
    """What engine 1 gave: `records` and sums are float64 throughout, added in tree order; `out` as in `explain_rows`."""
    n, m = matrix.shape
    trees, depth = split_borders.shape
    columns = np.empty((column_features.shape[0], 1), dtype=np.float32)
    values = columns.ravel()
    leaves = np.empty(trees, dtype=np.uint32)
    gains = np.empty(m + 1, dtype=np.float64)
    for i in range(n):
        _read_columns(matrix, i, 1, column_features, column_codes, columns)
        for t in range(trees):
            leaf = np.uint32(0)
            for j in range(depth):
                leaf |= np.uint32(values[tree_columns[t, j]] > split_borders[t, j]) << np.uint32(j)
            leaves[t] = leaf
        gains[:] = 0.0
        total = 0.0
        for t in range(trees):
            record = records[t, leaves[t]]
            total += record[0]
            for s in range(depth):
                gains[tree_columns[t, depth + s]] += record[1 + s]
        out[i] = total * affine[0] + affine[1]
        for f in range(m):
            out[n + i * m + f] = gains[f]


@njit(
    types.void(READ_SINGLE_ROWS, READ_PLACES, READ_SINGLES, READ_PLACE_ROWS, READ_SINGLE_ROWS, WRITE_COUNT_ROWS),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def count_leaves(matrix, column_features, column_codes, tree_columns, split_borders, counts):  # type: ignore[no-untyped-def]
    """Add to `counts` int64[t, 2^d] how many rows of `matrix` float32[n, m] fall into each leaf."""
    n = matrix.shape[0]
    columns = np.empty((column_features.shape[0], BLOCK_ROWS), dtype=np.float32)
    leaves = np.empty(BLOCK_ROWS, dtype=np.uint32)
    for first in range(0, n, BLOCK_ROWS):
        width = min(BLOCK_ROWS, n - first)
        _read_columns(matrix, first, width, column_features, column_codes, columns)
        for t in range(split_borders.shape[0]):
            _find_leaves(columns, width, tree_columns, split_borders, t, leaves)
            for r in range(width):
                counts[t, leaves[r]] += 1


@njit(
    types.void(READ_COUNT_ROWS, READ_PLACE_ROWS, READ_FLOAT_BLOCKS, WRITE_FLOATS),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def total_contributions(counts, tree_columns, records, totals):  # type: ignore[no-untyped-def]
    """Add to `totals` float64[m + 1] the contributions of all rows that `counts` int64[t, 2^d] counts, in a fixed order.

    The last total takes what padded slots add.
    """
    trees, leaves = counts.shape
    depth = tree_columns.shape[1] // 2
    for t in range(trees):
        for s in range(depth):
            total = 0.0
            for leaf in range(leaves):
                total += counts[t, leaf] * records[t, leaf, 1 + s]
            totals[tree_columns[t, depth + s]] += total


@njit(
    types.void(READ_FLOATS, READ_SINGLES, READ_FLOATS, READ_FLOATS, WRITE_FLOATS, WRITE_FLOATS),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def estimate_pds(raw_scores, codes, slopes, intercepts, log_odds, pds):  # type: ignore[no-untyped-def]
    """Calibrated log-odds float64[n] and probabilities of default float64[n] of raw scores float64[n].

    `slopes` and `intercepts` float64[k + 1] are by segment, the overall ones last; `codes` float32[n] say each row's segment and
    are not read where k = 0. A code that is no segment (-1, missing, beyond) takes the overall ones.
    """
    overall = slopes.shape[0] - 1
    for i in range(raw_scores.shape[0]):
        place = overall
        if overall > 0 and codes[i] >= 0.0 and codes[i] < overall:
            place = int(codes[i])
        odds_log = intercepts[place] + slopes[place] * raw_scores[i]
        log_odds[i] = odds_log
        if odds_log >= 0.0:
            pds[i] = 1.0 / (1.0 + math.exp(-odds_log))
        else:
            odds = math.exp(odds_log)
            pds[i] = odds / (1.0 + odds)
