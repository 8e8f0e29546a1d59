"""The tables that many rows are looked up in at once, in the order in which they are read.

Trees are taken in blocks of 128. Within a block come the values of its leaves in tree order; then feature after feature, the entries of
its contributions, cut into runs of at most 16. A contribution of less than 2^47 units either way is raised by 2^47 and cut into four
limbs of 12 bits. The tables are int64 with a header of 8 numbers that says where each section starts, counted in its own numbers::

    blocks  uint32[blocks + 1]  the first run of each block
    runs    uint32[runs + 1, 2] feature, first entry
    items   uint32[e]           of each entry, where its tree's leaves stand in the block: 64 x tree
    limbs   uint16[e, 4, 64]    by limb and leaf, lowest limb first
    values  uint32[t, 2, 64]    by leaf, the low and the high words of its float64 value
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.score.lanes import kernels
from instant_credit.score.layout import Layout
from instant_credit.score.program import columns_of, start_sections

DEPTH_MAX: Final = 6
LEAVES: Final = 64
RUN: Final = 16
LIMB_BITS: Final = 12
LIMBS: Final = 4


def can_hold(layout: Layout, units: NDArray[np.int64]) -> bool:
    """Whether a model has tables: trees of depth 6 at most, columns (`program.columns_of`), contributions below 2^47 units.

    Parameters
    ----------
    units : as in `build_tables`.
    """
    fits = bool(np.all(np.abs(units) < 1 << kernels.RAISED))
    return layout.depth <= DEPTH_MAX and fits and len(columns_of(layout)[0]) > 0


def build_tables(layout: Layout, units: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tables of a model that `can_hold` them.

    Parameters
    ----------
    units : int64[t, 2^d, d] contributions by slot, as `records.fix_contributions` gives them.

    Returns
    -------
    int64[w]: the header, then the sections one after the other.
    """
    trees, leaves, _ = units.shape
    block_trees = int(kernels.BLOCK_TREES)
    tree, slot = np.nonzero(layout.slot_features < layout.tables.feature_count)
    feature = layout.slot_features[tree, slot].astype(np.int64)
    order = np.lexsort((tree, feature, tree // block_trees))
    tree, slot, feature = tree[order], slot[order], feature[order]
    block = tree // block_trees
    # A run starts where block or feature change, and at every 16th entry of one feature in one block.
    is_first = np.append(True, (np.diff(block) != 0) | (np.diff(feature) != 0))[: len(tree)]
    entry = np.arange(len(tree))
    since = entry - np.maximum.accumulate(np.where(is_first, entry, 0))
    starts = np.flatnonzero(since % RUN == 0)
    runs = np.concatenate([np.stack([feature[starts], starts], axis=1), [[0, len(tree)]]]).astype(np.uint32)
    blocks = np.searchsorted(block[starts], np.arange(-(-trees // block_trees) + 1)).astype(np.uint32)
    raised = (units[tree, :, slot] + (1 << kernels.RAISED)).astype(np.uint64)
    limbs = np.zeros((len(tree), LIMBS, LEAVES), dtype=np.uint16)
    for limb in range(LIMBS):
        limbs[:, limb, :leaves] = raised >> np.uint64(LIMB_BITS * limb) & np.uint64((1 << LIMB_BITS) - 1)
    values = np.zeros((trees, 2, LEAVES), dtype=np.uint32)
    values[:, :, :leaves] = (
        np.ascontiguousarray(layout.leaf_values).view("<u4").reshape(trees, leaves, 2).transpose(0, 2, 1)
    )
    sections = start_sections(8)
    sections.put(int(kernels.AT_BLOCKS), blocks)
    sections.put(int(kernels.AT_RUNS), runs)
    sections.put(int(kernels.AT_ITEMS), (tree % block_trees * LEAVES).astype(np.uint32))
    sections.put(int(kernels.AT_LIMBS), limbs)
    sections.put(int(kernels.AT_VALUES), values)
    return sections.join()
