"""A model's program: everything that scores and explains a row, in one array, so that a call hands over one argument.

A program of m features, b borders, t trees and k families is int64, starts on a cache line and so does each of its sections. The header
(32 numbers; places in `kernels.py`) says how many there are of each, the bits of scale and bias, and where each section starts, counted
in the section's own numbers::

    offsets    uint32[m + 1]    where each feature's borders start
    kinds      uint32[m]        BELOW, ABOVE: a number whose missing lies there; CATEGORY; RANKED: a category with an order
    borders    float32[b]
    starts     uint32[m + 1]    where each feature's ranks start
    ranks      float32[.]       of an ordered category: the rank of a missing code, then of code 0, 1, ...
    questions  uint32[t, s]     the border that each split asks about; b (answered no) where padded
    slots      uint16[t, 8]     the feature of each slot; m where unused
    members    uint32[m]        the features, family by family
    starts     uint32[k + 1]    where each family's members start
    records    int64[t, 2^d, w] the bits of the leaf's unscaled float64 value, then its contributions by slot, in units

Trees have s = 6 splits and slots and records of w = 8 numbers, one cache line; where some tree is deeper than 6, s = 8 and w = 16.

For registers of 512 bits (`lanes/kernels.py`) a row's values become bins: one column for each feature that splits ask for, numbers
first. The bin of a number is how many of its borders lie below it; that of a category, one more than the place of its code, 0 for any
other. A split then says yes where its column's bin lies between two bytes::

    columns    uint32[c]            the feature of each column
    pivots     float32[c, 16]       every 16th border; NaN beyond
    blocks     float32[.]           the borders of each column in blocks of 16, padded with NaN to at least one more
    starts     uint32[c + 1]        where each column's blocks start
    asked      uint8[g, d, 3, 64]   of 64 trees each: column, lowest bin that says yes, how many more do
    scalars    uint32[t, d]         the same by split: column, lowest << 16, more << 24
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.score import kernels
from instant_credit.score.layout import Layout
from instant_credit.score.trees import TreeTables, offsets_from_lengths

HEADER: Final = 32
LINE: Final = 64
LANES: Final = 64
BLOCK: Final = 16
# A padded split asks for bin 255, so no column may have it.
BIN_MAX: Final = 254
COLUMNS_OF_ROW_MAX: Final = 256
COLUMNS_MAX: Final = 1 << 16


class Sections(Struct, kw_only=True):
    """Arrays one after another, each from a cache line on."""

    header: NDArray[np.int64]
    parts: list[NDArray[np.uint8]]
    size: int

    def put(self, place: int, array: NDArray[np.generic], item: int | None = None) -> None:
        """Append `array`; the header says at `place` where it starts, counted in items of `item` bytes (its own by default)."""
        raw = np.ascontiguousarray(array).view(np.uint8).ravel()
        self.header[place] = self.size // (item or array.itemsize)
        self.parts += [raw, np.zeros(-len(raw) % LINE, dtype=np.uint8)]
        self.size += len(raw) + -len(raw) % LINE

    def join(self) -> NDArray[np.int64]:
        """Header and sections as one read-only array that starts on a cache line."""
        joined = np.concatenate([self.header.view(np.uint8), *self.parts]).view(np.int64)
        room = np.empty(len(joined) + LINE // 8, dtype=np.int64)
        first = -room.ctypes.data % LINE // 8
        aligned = room[first : first + len(joined)]
        aligned[:] = joined
        aligned.flags.writeable = False
        return aligned


def start_sections(header: int) -> Sections:
    """Sections behind a header of `header` numbers."""
    return Sections(header=np.zeros(header, dtype=np.int64), parts=[], size=8 * header)


def build_program(layout: Layout, units: NDArray[np.int64], families: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The program of a model.

    Parameters
    ----------
    units : int64[t, 2^d, d] contributions by slot, as `records.fix_contributions` gives them.
    families : uint32[m] numbers each feature's family from 0 up.
    """
    tables, depth = layout.tables, layout.depth
    m, trees = tables.feature_count, tables.tree_count
    splits, width = (6, 8) if depth <= 6 else (8, 16)
    sections = start_sections(HEADER)
    sections.header[:6] = m, len(tables.borders), trees, splits, depth, int(families.max()) + 1
    sections.header[6:8] = np.array([tables.scale, tables.bias]).view(np.int64)
    kinds = np.where(tables.nan_is_above, kernels.ABOVE, kernels.BELOW)
    kinds[list(tables.ordered)] = kernels.RANKED
    questions = np.full((trees, splits), len(tables.borders), dtype=np.uint32)
    questions[:, :depth] = layout.split_places
    slots = np.full((trees, 8), m, dtype=np.uint16)
    slots[:, :depth] = layout.slot_features
    records = np.zeros((trees, 1 << depth, width), dtype=np.int64)
    records[:, :, 0] = layout.leaf_values.view(np.int64)
    records[:, :, 1 : depth + 1] = units
    sections.put(int(kernels.AT_OFFSETS), tables.border_offsets.astype(np.uint32))
    sections.put(int(kernels.AT_KINDS), np.where(tables.is_category, kernels.CATEGORY, kinds).astype(np.uint32))
    sections.put(int(kernels.AT_BORDERS), tables.borders)
    _put_ranks(sections, tables)
    sections.put(int(kernels.AT_QUESTIONS), questions)
    sections.put(int(kernels.AT_SLOTS), slots, 8)
    sections.put(int(kernels.AT_MEMBERS), np.argsort(families, kind="stable").astype(np.uint32))
    sections.put(int(kernels.AT_FAMILY_STARTS), offsets_from_lengths(np.bincount(families).tolist()).astype(np.uint32))
    _put_columns(sections, layout)
    sections.put(int(kernels.AT_RECORDS), records)
    return sections.join()


def _put_ranks(sections: Sections, tables: TreeTables) -> None:
    lengths = [len(ranks) for ranks in tables.code_ranks] or [0] * tables.feature_count
    ranks = [rank for by_code in tables.code_ranks for rank in by_code]
    sections.put(int(kernels.AT_RANKS), np.array(ranks, dtype=np.float32))
    starts = offsets_from_lengths(lengths) + sections.header[int(kernels.AT_RANKS)]
    sections.put(int(kernels.AT_RANK_STARTS), starts.astype(np.uint32))


def columns_of(layout: Layout) -> tuple[NDArray[np.int64], int]:
    """Features that splits ask for, numbers first, and how many are numbers; none where some has more than BIN_MAX borders."""
    tables = layout.tables
    asked = np.unique(tables.split_features)
    if len(asked) > COLUMNS_MAX or bool(np.any(np.diff(tables.border_offsets)[asked] > BIN_MAX)):
        return np.empty(0, dtype=np.int64), 0
    is_category = tables.is_category[asked]
    return np.concatenate([asked[~is_category], asked[is_category]]).astype(np.int64), int((~is_category).sum())


def _put_columns(sections: Sections, layout: Layout) -> None:
    tables, depth = layout.tables, layout.depth
    columns, numbers = columns_of(layout)
    if len(columns) == 0:
        return
    groups = -(-tables.tree_count // LANES)
    sections.header[int(kernels.NUMBERS) : int(kernels.GROUPS) + 1] = numbers, len(columns), groups
    counts = np.diff(tables.border_offsets)[columns]
    sizes = (counts // BLOCK + 1) * BLOCK
    starts = np.concatenate([[0], np.cumsum(sizes)])
    blocks = np.full(starts[-1], np.nan, dtype=np.float32)
    pivots = np.full((len(columns), BLOCK), np.nan, dtype=np.float32)
    for c, feature in enumerate(columns.tolist()):
        first = int(tables.border_offsets[feature])
        borders = tables.borders[first : first + counts[c]]
        blocks[starts[c] : starts[c] + counts[c]] = borders
        pivots[c, : counts[c] // BLOCK] = borders[BLOCK - 1 :: BLOCK]
    column_of = np.zeros(tables.feature_count + 1, dtype=np.int64)
    column_of[columns] = np.arange(len(columns))
    features = layout.split_features
    is_padded = features == tables.feature_count
    place = layout.split_places - tables.border_offsets[features]
    is_category = np.append(tables.is_category, False)[features]
    lowest = np.where(is_padded, BIN_MAX + 1, place + 1)
    more = np.where(is_padded | is_category, 0, BIN_MAX + 1 - lowest)
    asked = np.zeros((groups * LANES, depth, 3), dtype=np.uint8)
    for i, part in enumerate((column_of[features], lowest, more)):
        asked[: tables.tree_count, :, i] = part
    sections.put(int(kernels.AT_COLUMNS), columns.astype(np.uint32))
    sections.put(int(kernels.AT_PIVOTS), pivots)
    sections.put(int(kernels.AT_BLOCKS), blocks)
    starts = starts + sections.header[int(kernels.AT_BLOCKS)]
    sections.put(int(kernels.AT_STARTS), starts.astype(np.uint32))
    sections.put(int(kernels.AT_ASKED), asked.reshape(groups, LANES, depth, 3).transpose(0, 2, 3, 1))
    sections.put(int(kernels.AT_SCALARS), (column_of[features] | lowest << 16 | more << 24).astype(np.uint32))
