"""Random forests of symmetric trees, and rows that stand on their borders."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from instant_credit.score.trees import DEPTH_MAX, TreeTables, offsets_from_lengths

Forest = tuple[TreeTables, NDArray[np.float32]]


def grow_tables(rng: np.random.Generator, features: int, trees: int, depth_max: int) -> TreeTables:
    """Tables with numbers and categories, missing above and below, empty leaves with values, features asked twice."""
    is_category = rng.random(features) < 0.3
    borders = [
        np.unique(rng.choice(np.arange(-1, 6) if c else np.linspace(-2, 2, 9), size=rng.integers(1, 5)))
        for c in is_category
    ]
    depths = rng.integers(0, depth_max + 1, size=trees).astype(np.int32)
    split_features = rng.integers(0, features, size=depths.sum()).astype(np.int32)
    split_borders = np.array([rng.integers(0, len(borders[f])) for f in split_features], dtype=np.int32)
    leaves = int((2 ** depths.astype(np.int64)).sum())
    weights = rng.integers(0, 50, size=leaves).astype(np.float64)
    weights[rng.random(leaves) < 0.4] = 0.0
    return TreeTables(
        is_category=is_category,
        nan_is_above=(rng.random(features) < 0.5) & ~is_category,
        border_offsets=offsets_from_lengths([len(b) for b in borders]).astype(np.int32),
        borders=np.concatenate(borders).astype(np.float32),
        depths=depths,
        split_features=split_features,
        split_borders=split_borders,
        leaf_values=rng.normal(size=leaves),
        leaf_weights=weights,
        scale=float(rng.choice([1.0, 0.5, 3.25])),
        bias=float(rng.choice([0.0, -1.3])),
    )


def draw_rows(rng: np.random.Generator, tables: TreeTables, n: int) -> NDArray[np.float32]:
    """float32[n, m]: between the borders, on them, missing, and codes that no split asks for."""
    matrix = rng.normal(size=(n, tables.feature_count)).astype(np.float32)
    for f in range(tables.feature_count):
        if tables.is_category[f]:
            matrix[:, f] = rng.integers(-1, 8, size=n)
            continue
        borders = tables.borders[tables.border_offsets[f] : tables.border_offsets[f + 1]]
        kind = rng.random(n)
        if len(borders):
            matrix[:, f] = np.where(kind < 0.3, rng.choice(borders, size=n), matrix[:, f])
        matrix[kind > 0.8, f] = np.nan
    return matrix


@st.composite
def forests(draw: st.DrawFn, rows_max: int = 12, depth_max: int = DEPTH_MAX) -> Forest:
    """(tables, rows)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tables = grow_tables(rng, draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(0, depth_max)))
    return tables, draw_rows(rng, tables, draw(st.integers(0, rows_max)))
