"""Compiled loops over tree tables that any processor runs: score, explain, rank, count leaves, calibrate.

Every kernel trusts its caller (`model.py`, `calibration.py`) for dtypes, lengths and ranges; a model is one array, its program
(`program.py`). A row answers each border once ("value > border", or "value = code" for a category); a tree then reads its leaf index
from its splits' answers; a leaf's record gives its value and its contributions. Raw scores are added up in tree order in float64;
contributions are whole units of 2^-44 log-odds, whose sums are exact in any order. So a row has the same bits alone, among a million
and on every path (ADR 0011).

Functions without a signature of their own are parts of the kernels that call them.
"""

import math
from typing import Final

import numpy as np
from numba import njit, types
from numba.extending import register_jitable

from instant_credit.features.kernels import READ_FLOAT_ROWS, READ_FLOATS
from instant_credit.score.memory.kernels import as_type, prefetch

READ_SINGLES = types.Array(types.float32, 1, "C", readonly=True)
READ_SINGLE_ROWS = types.Array(types.float32, 2, "C", readonly=True)
READ_FLOAT_BLOCKS = types.Array(types.float64, 3, "C", readonly=True)
READ_UNITS = types.Array(types.int64, 1, "C", readonly=True)
READ_COUNT_ROWS = types.Array(types.int64, 2, "C", readonly=True)
READ_PLACE_ROWS = types.Array(types.uint32, 2, "C", readonly=True)
WRITE_FLOATS = types.Array(types.float64, 1, "C")
WRITE_COUNT_ROWS = types.Array(types.int64, 2, "C")

# What stands where in a program's header; `program.py` says more. Places are unsigned, so that an index needs no test for counting
# from the end.
FEATURES: Final = np.uint64(0)
BORDERS: Final = np.uint64(1)
TREES: Final = np.uint64(2)
SPLITS: Final = np.uint64(3)
DEPTH: Final = np.uint64(4)
FAMILIES: Final = np.uint64(5)
SCALE: Final = np.uint64(6)
BIAS: Final = np.uint64(7)
AT_OFFSETS: Final = np.uint64(8)
AT_KINDS: Final = np.uint64(9)
AT_BORDERS: Final = np.uint64(10)
AT_QUESTIONS: Final = np.uint64(11)
AT_SLOTS: Final = np.uint64(12)
AT_MEMBERS: Final = np.uint64(13)
AT_RECORDS: Final = np.uint64(14)
NUMBERS: Final = np.uint64(15)
COLUMNS: Final = np.uint64(16)
GROUPS: Final = np.uint64(17)
AT_COLUMNS: Final = np.uint64(18)
AT_PIVOTS: Final = np.uint64(19)
AT_BLOCKS: Final = np.uint64(20)
AT_STARTS: Final = np.uint64(21)
AT_ASKED: Final = np.uint64(22)
AT_SCALARS: Final = np.uint64(23)
AT_RANK_STARTS: Final = np.uint64(24)
AT_RANKS: Final = np.uint64(25)
AT_FAMILY_STARTS: Final = np.uint64(26)

BELOW: Final = 0
ABOVE: Final = 1
CATEGORY: Final = 2
RANKED: Final = 3

ONE: Final = np.uint64(1)
TWO: Final = np.uint64(2)
FOUR: Final = np.uint64(4)
SIX: Final = np.uint64(6)
EIGHT: Final = np.uint64(8)
SIXTEEN: Final = np.uint64(16)
SLOT: Final = np.uint64(0xFFFF)
# Log-odds of one unit, and units of one log-odds.
UNIT: Final = 2.0**-44
UNITS: Final = 2.0**44
MOST: Final = 4
# How many trees ahead a record is asked for. With 16, a row takes a quarter more time (300 trees) to two thirds more (1,000).
AHEAD: Final = np.uint64(128)
# Rows and trees that are walked together. 32 trees' records of 64 bytes take 128 KB and 64 rows' leaves of 1,000 trees 64 KB, so that even
# a small second cache holds both. Explaining 256 rows by 1,000 trees of depth 6 (4 MB of records), 8 trees at a time take a fifth more
# time; from 32 trees to all, and from 16 rows to 256, nothing moves beyond noise.
BLOCK_ROWS: Final = np.uint64(64)
BLOCK_TREES: Final = np.uint64(32)

# The raw score; how many adverse variables, and which (the rest is m).
EXPLAINED = types.Tuple((types.float64, types.int64, types.UniTuple(types.int64, MOST)))


@register_jitable(forceinline=True)
def rank_code(words, singles, start, x):  # type: ignore[no-untyped-def]
    """The rank of code x of an ordered category whose ranks start at word `start`; what is no code ranks as a missing one, the first."""
    first = np.uint64(words[start])
    place = x + np.float32(1.0)
    if not (place >= 0 and place < np.float32(np.uint64(words[start + ONE]) - first)):
        place = np.float32(0.0)
    return singles[first + np.uint64(place)]


@register_jitable(forceinline=True)
def _read_leaves(program, answers, splits, leaves):  # type: ignore[no-untyped-def]
    """Leaf index of each tree from the answers: bit j is the answer to split j."""
    words = as_type(program, np.uint32)
    q = np.uint64(program[AT_QUESTIONS])
    for t in range(np.uint64(program[TREES])):
        leaf = np.uint32(0)
        for j in range(splits):
            leaf |= np.uint32(answers[words[q + j]]) << np.uint32(j)
        leaves[t] = leaf
        q += splits


@register_jitable(forceinline=True)
def _find_leaves(row, program, answers, leaves):  # type: ignore[no-untyped-def]
    """Leaf index uint8 of `row` float32[m] in each tree; `answers` uint8[b + 1] is room to work in."""
    words = as_type(program, np.uint32)
    singles = as_type(program, np.float32)
    offsets = np.uint64(program[AT_OFFSETS])
    kinds = np.uint64(program[AT_KINDS])
    borders = np.uint64(program[AT_BORDERS])
    ranks = np.uint64(program[AT_RANK_STARTS])
    for f in range(np.uint64(program[FEATURES])):
        kind = words[kinds + f]
        x = row[f]
        if kind == CATEGORY:
            for i in range(np.uint64(words[offsets + f]), np.uint64(words[offsets + f + ONE])):
                answers[i] = x == singles[borders + i]
        else:
            if kind == ABOVE and math.isnan(x):
                x = np.float32(np.inf)
            elif kind == RANKED:
                x = rank_code(words, singles, ranks + f, x)
            for i in range(np.uint64(words[offsets + f]), np.uint64(words[offsets + f + ONE])):
                answers[i] = x > singles[borders + i]
    # What a padded split asks: always no.
    answers[np.uint64(program[BORDERS])] = 0
    if program[SPLITS] == SIX:
        _read_leaves(program, answers, SIX, leaves)
    else:
        _read_leaves(program, answers, EIGHT, leaves)


@register_jitable(forceinline=True)
def _add_tree(program, slots, p, r, splits, units):  # type: ignore[no-untyped-def]
    """Add to `units` the contributions of the record at `r`, whose slots stand at `p`."""
    four = slots[p]
    for s in range(FOUR):
        units[four & SLOT] += program[r + ONE + s]
        four >>= SIXTEEN
    four = slots[p + ONE]
    for s in range(FOUR, splits):
        units[four & SLOT] += program[r + ONE + s]
        four >>= SIXTEEN


@register_jitable(forceinline=True)
def _add_trees(program, leaves, trees, splits, width, units, total):  # type: ignore[no-untyped-def]
    """`total` and `units` int64[m + 1], whose last takes the padding, with the trees (first, stop) added."""
    values = as_type(program, np.float64)
    slots = as_type(program, np.uint64)
    records = np.uint64(program[AT_RECORDS])
    depth = np.uint64(program[DEPTH])
    p = np.uint64(program[AT_SLOTS])
    first, stop = trees
    last_ahead = max(first + AHEAD, stop) - AHEAD
    for t in range(first, min(first + AHEAD, stop)):
        prefetch(program, records + ((t << depth) | leaves[t]) * width)
    for t in range(first, last_ahead):
        ahead = t + AHEAD
        prefetch(program, records + ((ahead << depth) | leaves[ahead]) * width)
        r = records + ((t << depth) | leaves[t]) * width
        total += values[r]
        _add_tree(program, slots, p + TWO * t, r, splits, units)
    for t in range(last_ahead, stop):
        r = records + ((t << depth) | leaves[t]) * width
        total += values[r]
        _add_tree(program, slots, p + TWO * t, r, splits, units)
    return total


@register_jitable(forceinline=True)
def add_up(program, leaves, trees, units, total):  # type: ignore[no-untyped-def]
    """`total` and `units` int64[m + 1] of a row with the trees (first, stop) added, from its leaves uint8[t]."""
    if program[SPLITS] == SIX:
        return _add_trees(program, leaves, trees, SIX, EIGHT, units, total)
    return _add_trees(program, leaves, trees, EIGHT, SIXTEEN, units, total)


@register_jitable(forceinline=True)
def tell(program, total):  # type: ignore[no-untyped-def]
    """The raw score behind the sum of unscaled leaf values."""
    values = as_type(program, np.float64)
    return total * values[SCALE] + values[BIAS]


@register_jitable(forceinline=True)
def rank(program, units):  # type: ignore[no-untyped-def]
    """How many adverse families (at most MOST), and the variables that speak for them, the most adverse first; m for nobody.

    `units` int64[m] is what each feature contributes. As `reasons.rank_adverse`.
    """
    words = as_type(program, np.uint32)
    nobody = program[FEATURES]
    members = np.uint64(program[AT_MEMBERS])
    starts = np.uint64(program[AT_FAMILY_STARTS])
    found = np.int64(0)
    a = b = c = d = np.int64(0)
    w = x = y = z = nobody
    stop = members
    for k in range(np.uint64(program[FAMILIES])):
        first, stop = stop, members + np.uint64(words[starts + k + ONE])
        speaker = np.int64(words[first])
        total = largest = units[np.uint64(speaker)]
        for i in range(first + ONE, stop):
            f = np.int64(words[i])
            own = units[np.uint64(f)]
            total += own
            speaker = f if own > largest else speaker
            largest = max(own, largest)
        if total > d or (total == d and total > 0 and speaker < z):
            found += 1
            d, z = total, speaker
            if d > c or (d == c and z < y):
                c, d, y, z = d, c, z, y
            if c > b or (c == b and y < x):
                b, c, x, y = c, b, y, x
            if b > a or (b == a and x < w):
                a, b, w, x = b, a, x, w
    return min(found, np.int64(MOST)), (w, x, y, z)


NOBODY: Final = (np.int64(0), np.int64(0), np.int64(0), np.int64(0))


@njit(EXPLAINED(READ_SINGLES, READ_UNITS, WRITE_FLOATS), cache=True, error_model="numpy", fastmath=False)
def explain_row(row, program, contributions):  # type: ignore[no-untyped-def]
    """Raw score and ranking of `row` float32[m]; `contributions` float64[m] is filled. A row of another length ranks -1 variables."""
    m = np.uint64(program[FEATURES])
    if row.shape[0] != m:
        return 0.0, np.int64(-1), NOBODY
    numbers = m + ONE
    answers = np.uint64(program[BORDERS]) + ONE
    work = np.empty(numbers + (answers + np.uint64(program[TREES]) + EIGHT) // EIGHT, dtype=np.int64)
    room = as_type(work, np.uint8)[numbers * EIGHT :]
    leaves = room[answers:]
    work[:numbers] = 0
    _find_leaves(row, program, room, leaves)
    total = add_up(program, leaves, (np.uint64(0), np.uint64(program[TREES])), work, 0.0)
    for f in range(m):
        contributions[f] = work[f] * UNIT
    count, adverse = rank(program, work)
    return tell(program, total), count, adverse


@njit(types.void(READ_SINGLE_ROWS, READ_UNITS, WRITE_FLOATS), cache=True, error_model="numpy", fastmath=False)
def explain_rows(matrix, program, out):  # type: ignore[no-untyped-def]
    """Raw scores and contributions of `matrix` float32[n, m]: `out` takes n scores, then n x m contributions.

    Some rows walk some trees before the next trees are walked, so that records are read again while the caches hold them.
    """
    n = np.uint64(matrix.shape[0])
    m = np.uint64(program[FEATURES])
    trees = np.uint64(program[TREES])
    answers = np.empty(np.uint64(program[BORDERS]) + ONE, dtype=np.uint8)
    leaves = np.empty((BLOCK_ROWS, trees), dtype=np.uint8)
    units = np.empty((BLOCK_ROWS, m + ONE), dtype=np.int64)
    for start in range(np.uint64(0), n, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, n - start)
        units[:] = 0
        for r in range(rows):
            _find_leaves(matrix[start + r], program, answers, leaves[r])
            out[start + r] = 0.0
        for t in range(np.uint64(0), trees, BLOCK_TREES):
            some = (t, min(t + BLOCK_TREES, trees))
            for r in range(rows):
                out[start + r] = add_up(program, leaves[r], some, units[r], out[start + r])
        for r in range(rows):
            out[start + r] = tell(program, out[start + r])
            for f in range(m):
                out[n + (start + r) * m + f] = units[r, f] * UNIT


@njit(types.void(READ_SINGLE_ROWS, READ_UNITS, WRITE_FLOATS), cache=True, error_model="numpy", fastmath=False)
def score_rows(matrix, program, out):  # type: ignore[no-untyped-def]
    """Raw scores float64[n] of `matrix` float32[n, m], in the order of `explain_rows`."""
    n = np.uint64(matrix.shape[0])
    trees = np.uint64(program[TREES])
    values = as_type(program, np.float64)
    records = np.uint64(program[AT_RECORDS])
    depth = np.uint64(program[DEPTH])
    width = EIGHT if program[SPLITS] == SIX else SIXTEEN
    answers = np.empty(np.uint64(program[BORDERS]) + ONE, dtype=np.uint8)
    leaves = np.empty((BLOCK_ROWS, trees), dtype=np.uint8)
    for start in range(np.uint64(0), n, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, n - start)
        for r in range(rows):
            _find_leaves(matrix[start + r], program, answers, leaves[r])
            out[start + r] = 0.0
        for first in range(np.uint64(0), trees, BLOCK_TREES):
            for r in range(rows):
                total = out[start + r]
                for t in range(first, min(first + BLOCK_TREES, trees)):
                    total += values[records + ((t << depth) | leaves[r, t]) * width]
                out[start + r] = total
        for r in range(rows):
            out[start + r] = tell(program, out[start + r])


@njit(types.void(READ_FLOAT_ROWS, READ_UNITS, WRITE_COUNT_ROWS), cache=True, error_model="numpy", fastmath=False)
def rank_rows(contributions, program, ranked):  # type: ignore[no-untyped-def]
    """What `explain_row` ranks, of n rows of `contributions` float64[n, m]: `ranked` int64[n, MOST + 1]."""
    m = np.uint64(program[FEATURES])
    units = np.empty(m, dtype=np.int64)
    for r in range(np.uint64(contributions.shape[0])):
        for f in range(m):
            units[f] = np.int64(contributions[r, f] * UNITS)
        ranked[r, 0], (ranked[r, 1], ranked[r, 2], ranked[r, 3], ranked[r, 4]) = rank(program, units)


@njit(types.void(READ_SINGLE_ROWS, READ_UNITS, WRITE_COUNT_ROWS), cache=True, error_model="numpy", fastmath=False)
def count_leaves(matrix, program, counts):  # type: ignore[no-untyped-def]
    """Add to `counts` int64[t, 2^d] how many rows of `matrix` float32[n, m] fall into each leaf."""
    answers = np.empty(np.uint64(program[BORDERS]) + ONE, dtype=np.uint8)
    leaves = np.empty(np.uint64(program[TREES]), dtype=np.uint8)
    for r in range(np.uint64(matrix.shape[0])):
        _find_leaves(matrix[r], program, answers, leaves)
        for t in range(np.uint64(program[TREES])):
            counts[t, np.uint64(leaves[t])] += 1


@njit(
    types.void(READ_SINGLE_ROWS, READ_UNITS, READ_PLACE_ROWS, READ_FLOAT_BLOCKS, WRITE_FLOATS),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def explain_engine_1(matrix, program, slot_features, records, out):  # type: ignore[no-untyped-def]
    """What engine 1 gave: contributions are float64, added up in the order of trees and slots; `out` as in `explain_rows`."""
    n, m = matrix.shape
    trees, depth = slot_features.shape
    answers = np.empty(np.uint64(program[BORDERS]) + ONE, dtype=np.uint8)
    leaves = np.empty(trees, dtype=np.uint8)
    gains = np.empty(m + 1, dtype=np.float64)
    for r in range(n):
        _find_leaves(matrix[r], program, answers, leaves)
        gains[:] = 0.0
        total = 0.0
        for t in range(trees):
            total += records[t, leaves[t], 0]
            for s in range(depth):
                gains[slot_features[t, s]] += records[t, leaves[t], 1 + s]
        out[r] = tell(program, total)
        for f in range(m):
            out[n + r * m + f] = gains[f]


@njit(
    types.void(READ_COUNT_ROWS, READ_PLACE_ROWS, READ_FLOAT_BLOCKS, WRITE_FLOATS),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def total_contributions(counts, slot_features, records, totals):  # type: ignore[no-untyped-def]
    """Add to `totals` float64[m + 1] the contributions of all rows that `counts` int64[t, 2^d] counts, in a fixed order.

    The last total takes what padded slots add.
    """
    trees, leaves = counts.shape
    for t in range(trees):
        for s in range(slot_features.shape[1]):
            total = 0.0
            for leaf in range(leaves):
                total += counts[t, leaf] * records[t, leaf, 1 + s]
            totals[slot_features[t, s]] += total


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
