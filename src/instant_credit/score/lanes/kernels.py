"""The kernels of `score/kernels.py` in registers of 512 bits; the same bytes.

A row's values become bins (`program.py`), a column one byte. Then

- one row: 64 trees are a register. A level of all of them is one look-up of bins and one comparison.
- many rows: 64 rows are a register. A tree's leaves are looked up in its values, two words each, and added in tree order; contributions
  are looked up by feature (`tables.py`), four limbs of 12 bits each, whose sums of 16 still fit 16 bits, so that nothing is lost
  before they are joined to units of 64 bits.
"""

import math
from typing import Final

import numpy as np
from numba import njit, types
from numba.extending import register_jitable

from instant_credit.score import kernels as portable
from instant_credit.score.kernels import (
    EIGHT,
    EXPLAINED,
    NOBODY,
    ONE,
    READ_SINGLE_ROWS,
    READ_SINGLES,
    READ_UNITS,
    SIXTEEN,
    TWO,
    UNIT,
    WRITE_FLOATS,
    add_up,
    rank,
    rank_code,
    tell,
)
from instant_credit.score.memory.kernels import as_type
from instant_credit.score.registers.kernels import (
    add_floats,
    add_longs,
    add_shorts,
    all_bytes,
    all_longs,
    all_shorts,
    ask,
    count_below,
    count_equal,
    join_limbs,
    join_words,
    load_bytes,
    load_floats,
    load_longs,
    load_shorts,
    load_words,
    pick_bytes,
    pick_shorts,
    pick_words,
    store,
    where_fit,
    widen_to_shorts,
    widen_to_words,
)

# Where the header of the tables holds what (`tables.py`).
AT_BLOCKS: Final = np.uint64(0)
AT_RUNS: Final = np.uint64(1)
AT_ITEMS: Final = np.uint64(2)
AT_LIMBS: Final = np.uint64(3)
AT_VALUES: Final = np.uint64(4)

LANES: Final = np.uint64(64)
# Rows whose bins and sums are kept at once, and trees whose leaves are: what they take together fits the second cache.
# With 1,000 trees of depth 6 and 80 variables, 32 trees at a time take a sixth more time to explain; from 128 rows to 2,048 nothing moves
# beyond noise.
ROWS: Final = np.uint64(512)
# Columns lie so far apart that they do not fall into the same place of the first cache.
STRIDE: Final = np.uint64(512 + 64)
BLOCK_TREES: Final = np.uint64(128)
# Entries are raised by so much that none is negative.
RAISED: Final = 47
ENTRY: Final = np.uint64(4 * 64)
BYTES_OF_ROW: Final = np.uint64(256)


@register_jitable(forceinline=True)
def _find_bins(row, program, bins, step):  # type: ignore[no-untyped-def]
    """The bin of each column of `row` float32[m], `step` bytes apart."""
    words = as_type(program, np.uint32)
    singles = as_type(program, np.float32)
    columns = np.uint64(program[portable.AT_COLUMNS])
    kinds = np.uint64(program[portable.AT_KINDS])
    ranks = np.uint64(program[portable.AT_RANK_STARTS])
    pivots = np.uint64(program[portable.AT_PIVOTS])
    starts = np.uint64(program[portable.AT_STARTS])
    numbers = np.uint64(program[portable.NUMBERS])
    place = np.uint64(0)
    for c in range(numbers):
        f = np.uint64(words[columns + c])
        kind = words[kinds + f]
        x = row[f]
        if kind == portable.ABOVE and math.isnan(x):
            x = np.float32(np.inf)
        elif kind == portable.RANKED:
            x = rank_code(words, singles, ranks + f, x)
        full = SIXTEEN * count_below(singles, pivots + SIXTEEN * c, x)
        bins[place] = full + count_below(singles, np.uint64(words[starts + c]) + full, x)
        place += step
    for c in range(numbers, np.uint64(program[portable.COLUMNS])):
        x = row[np.uint64(words[columns + c])]
        following = ONE
        found = np.uint64(0)
        for i in range(np.uint64(words[starts + c]), np.uint64(words[starts + c + ONE]), SIXTEEN):
            following += count_below(singles, i, x)
            found += count_equal(singles, i, x)
        bins[place] = found * following
        place += step


@register_jitable(forceinline=True)
def _find_leaves_of_row(program, bins, leaves):  # type: ignore[no-untyped-def]
    """Leaf index of a row in each tree, 64 trees at a time, from its bins uint8[256]."""
    bytes_ = as_type(program, np.uint8)
    a = load_bytes(bins, np.uint64(0))
    b = load_bytes(bins, LANES)
    c = load_bytes(bins, TWO * LANES)
    d = load_bytes(bins, np.uint64(3) * LANES)
    q = np.uint64(program[portable.AT_ASKED])
    for g in range(np.uint64(program[portable.GROUPS])):
        found = all_bytes(np.uint8(0))
        for j in range(np.uint64(program[portable.DEPTH])):
            own = pick_bytes(a, b, c, d, load_bytes(bytes_, q))
            lowest = load_bytes(bytes_, q + LANES)
            found = ask(found, own, lowest, load_bytes(bytes_, q + TWO * LANES), np.uint8(ONE << j))
            q += np.uint64(3) * LANES
        store(leaves, g * LANES, found)


@njit(where_fit(EXPLAINED(READ_SINGLES, READ_UNITS, WRITE_FLOATS)), cache=True, error_model="numpy", fastmath=False)
def explain_row(row, program, contributions):  # type: ignore[no-untyped-def]
    """`kernels.explain_row` of a model of at most 256 columns."""
    m = np.uint64(program[portable.FEATURES])
    if row.shape[0] != m:
        return 0.0, np.int64(-1), NOBODY
    numbers = m + ONE
    trees = np.uint64(program[portable.GROUPS]) * LANES
    work = np.empty(numbers + (BYTES_OF_ROW + trees) // EIGHT, dtype=np.int64)
    bins = as_type(work, np.uint8)[numbers * EIGHT :]
    leaves = bins[BYTES_OF_ROW:]
    _find_bins(row, program, bins, ONE)
    _find_leaves_of_row(program, bins, leaves)
    work[:numbers] = 0
    total = add_up(program, leaves, (np.uint64(0), np.uint64(program[portable.TREES])), work, 0.0)
    for f in range(m):
        contributions[f] = work[f] * UNIT
    count, adverse = rank(program, work)
    return tell(program, total), count, adverse


@register_jitable(forceinline=True)
def _find_leaves_of_rows(words, scalars, depth, bins, first):  # type: ignore[no-untyped-def]
    """Leaf index of 64 rows in one tree."""
    found = all_bytes(np.uint8(0))
    for j in range(depth):
        asked = words[scalars + j]
        own = load_bytes(bins, np.uint64(asked & np.uint32(0xFFFF)) * STRIDE + first)
        lowest = all_bytes(np.uint8(asked >> np.uint32(16)))
        found = ask(found, own, lowest, all_bytes(np.uint8(asked >> np.uint32(24))), np.uint8(ONE << j))
    return found


@register_jitable(forceinline=True)
def _pick_values(words, at, places):  # type: ignore[no-untyped-def]
    """The values of 16 leaves of the tree whose 64 low and 64 high words stand from `at` on: two registers of floats."""
    a = load_words(words, at)
    b = load_words(words, at + SIXTEEN)
    c = load_words(words, at + TWO * SIXTEEN)
    d = load_words(words, at + np.uint64(3) * SIXTEEN)
    low = pick_words(a, b, c, d, places)
    at += LANES
    a = load_words(words, at)
    b = load_words(words, at + SIXTEEN)
    c = load_words(words, at + TWO * SIXTEEN)
    d = load_words(words, at + np.uint64(3) * SIXTEEN)
    return join_words(low, pick_words(a, b, c, d, places))


@register_jitable(forceinline=True)
def _score_block(program, tables, trees, bins, leaves, raws, first):  # type: ignore[no-untyped-def]
    """Leaves of 64 rows in the trees `trees` (first, stop), and their values added to `raws`, in tree order."""
    words = as_type(program, np.uint32)
    values = as_type(tables, np.uint32)
    depth = np.uint64(program[portable.DEPTH])
    scalars = np.uint64(program[portable.AT_SCALARS]) + trees[0] * depth
    at = np.uint64(tables[AT_VALUES]) + trees[0] * TWO * LANES
    a = load_floats(raws, first)
    b = load_floats(raws, first + EIGHT)
    c = load_floats(raws, first + TWO * EIGHT)
    d = load_floats(raws, first + np.uint64(3) * EIGHT)
    e = load_floats(raws, first + np.uint64(4) * EIGHT)
    f = load_floats(raws, first + np.uint64(5) * EIGHT)
    g = load_floats(raws, first + np.uint64(6) * EIGHT)
    h = load_floats(raws, first + np.uint64(7) * EIGHT)
    for t in range(trees[1] - trees[0]):
        found = _find_leaves_of_rows(words, scalars, depth, bins, first)
        store(leaves, LANES * t, found)
        p, q, r, s = widen_to_words(found)
        low, high = _pick_values(values, at, p)
        a = add_floats(a, low)
        b = add_floats(b, high)
        low, high = _pick_values(values, at, q)
        c = add_floats(c, low)
        d = add_floats(d, high)
        low, high = _pick_values(values, at, r)
        e = add_floats(e, low)
        f = add_floats(f, high)
        low, high = _pick_values(values, at, s)
        g = add_floats(g, low)
        h = add_floats(h, high)
        scalars += depth
        at += TWO * LANES
    store(raws, first, a)
    store(raws, first + EIGHT, b)
    store(raws, first + TWO * EIGHT, c)
    store(raws, first + np.uint64(3) * EIGHT, d)
    store(raws, first + np.uint64(4) * EIGHT, e)
    store(raws, first + np.uint64(5) * EIGHT, f)
    store(raws, first + np.uint64(6) * EIGHT, g)
    store(raws, first + np.uint64(7) * EIGHT, h)


@register_jitable(forceinline=True)
def _add_limbs(limbs, q, low, high, a, b):  # type: ignore[no-untyped-def]
    """(a, b) with the limbs of 64 leaves added, out of the 64 that stand from `q` on."""
    own = load_shorts(limbs, q)
    more = load_shorts(limbs, q + np.uint64(32))
    return add_shorts(a, pick_shorts(own, more, low)), add_shorts(b, pick_shorts(own, more, high))


@register_jitable(forceinline=True)
def _add_units(units, at, raised, a, b, c, d):  # type: ignore[no-untyped-def]
    """Add the joined limbs of 32 rows to `units`, less what the entries were raised by."""
    p, q, r, s = join_limbs(a, b, c, d)
    store(units, at, add_longs(load_longs(units, at), add_longs(p, raised)))
    store(units, at + EIGHT, add_longs(load_longs(units, at + EIGHT), add_longs(q, raised)))
    store(units, at + SIXTEEN, add_longs(load_longs(units, at + SIXTEEN), add_longs(r, raised)))
    at += SIXTEEN + EIGHT
    store(units, at, add_longs(load_longs(units, at), add_longs(s, raised)))


@register_jitable(forceinline=True)
def _add_run(tables, i, stop, leaves, units, at):  # type: ignore[no-untyped-def]
    """Add to a feature's `units` of 64 rows the entries i to stop, at most 16, that the rows' leaves hold for it."""
    words = as_type(tables, np.uint32)
    limbs = as_type(tables, np.uint16)
    items = np.uint64(tables[AT_ITEMS])
    q = np.uint64(tables[AT_LIMBS]) + i * ENTRY
    raised = all_longs(-(np.int64(stop - i) << np.int64(RAISED)))
    a = b = c = d = all_shorts(np.uint16(0))
    e = f = g = h = a
    for k in range(i, stop):
        low, high = widen_to_shorts(load_bytes(leaves, np.uint64(words[items + k])))
        a, e = _add_limbs(limbs, q, low, high, a, e)
        b, f = _add_limbs(limbs, q + LANES, low, high, b, f)
        c, g = _add_limbs(limbs, q + TWO * LANES, low, high, c, g)
        d, h = _add_limbs(limbs, q + np.uint64(3) * LANES, low, high, d, h)
        q += ENTRY
    _add_units(units, at, raised, a, b, c, d)
    _add_units(units, at + TWO * SIXTEEN, raised, e, f, g, h)


@njit(
    where_fit(types.void(READ_SINGLE_ROWS, READ_UNITS, READ_UNITS, types.boolean, WRITE_FLOATS)),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def explain_rows(matrix, program, tables, is_explained, out):  # type: ignore[no-untyped-def]
    """`kernels.explain_rows`, or where not `is_explained` `kernels.score_rows`, of a model with tables."""
    n = np.uint64(matrix.shape[0])
    m = np.uint64(program[portable.FEATURES]) if is_explained else np.uint64(0)
    trees = np.uint64(program[portable.TREES])
    columns = np.uint64(program[portable.COLUMNS])
    words = as_type(tables, np.uint32)
    runs = np.uint64(tables[AT_RUNS])
    room = np.empty(EIGHT + ROWS + BLOCK_TREES * EIGHT + (columns + EIGHT * m) * (STRIDE // EIGHT), dtype=np.int64)
    work = room[((-room.ctypes.data) & 63) >> 3 :]
    raws = work[:ROWS].view(np.float64)
    leaves = work[ROWS : ROWS + BLOCK_TREES * EIGHT].view(np.uint8)
    units = work[ROWS + BLOCK_TREES * EIGHT :]
    bins = units[m * STRIDE :].view(np.uint8)
    for start in range(np.uint64(0), n, ROWS):
        width = min(ROWS, n - start)
        for r in range(width):
            _find_bins(matrix[start + r], program, bins[r:], STRIDE)
        for r in range(ROWS):
            raws[r] = 0.0
        for i in range(m * STRIDE):
            units[i] = 0
        block = np.uint64(tables[AT_BLOCKS])
        for t in range(np.uint64(0), trees, BLOCK_TREES):
            for first in range(np.uint64(0), width, LANES):
                _score_block(program, tables, (t, min(t + BLOCK_TREES, trees)), bins, leaves, raws, first)
                if is_explained:
                    for k in range(np.uint64(words[block]), np.uint64(words[block + ONE])):
                        run = runs + TWO * k
                        at = np.uint64(words[run]) * STRIDE + first
                        stop = np.uint64(words[run + np.uint64(3)])
                        _add_run(tables, np.uint64(words[run + ONE]), stop, leaves, units, at)
            block += ONE
        for r in range(width):
            out[start + r] = tell(program, raws[r])
            for f in range(m):
                out[n + (start + r) * m + f] = units[f * STRIDE + r] * UNIT
