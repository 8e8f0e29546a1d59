"""Tree tables: a boosted ensemble of symmetric trees as flat arrays, the form in which a model is stored and hashed.

A symmetric tree of depth d asks one question per level, so its leaf index is d bits: bit j answers split j of the tree. The last
split is the root. A question is "feature > border" for a number (float32 comparison, missing answers as `nan_is_above` says) and
"feature = code" for a category.

Arrays of a model with m features, b borders, s splits, t trees and l leaves::

    is_category      bool[m]       the feature holds category codes (-1 = missing), not a number (NaN = missing)
    nan_is_above     bool[m]       a missing number lies above every border; else below
    border_offsets   int32[m + 1]  where each feature's borders start in `borders`
    borders          float32[b]    rising within a feature; for a category, the codes that splits ask for
    depths           int32[t]      0 to 8
    split_features   int32[s]      in tree order, within a tree from bit 0 up
    split_borders    int32[s]      position in the feature's own borders
    leaf_values      float64[l]    unscaled, tree after tree, 2^depth each
    leaf_weights     float64[l]    training weight that fell into the leaf (its cover)

A category may instead be ordered: its codes have ranks, and a question is "rank > border". `code_ranks[f]` holds the rank of a missing
code, then of code 0, 1, ..., each rank once; such a feature counts as a number (`is_category` is False, its borders lie halfway between
ranks), and whoever reads a row of the matrix puts the rank in the code's place (`rank_codes`); kernels take what is no code for missing.

Raw score = scale x (leaf values added in tree order from 0.0) + bias, in log-odds of default.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused

DEPTH_MAX = 8
TREES_MAX = 10_000
FEATURES_MAX = 5_000
CODE_MAX = 249
SPLITS_MAX = TREES_MAX * DEPTH_MAX
LEAVES_MAX = TREES_MAX << DEPTH_MAX
# As many as all splits together can ask about.
BORDERS_MAX = SPLITS_MAX


class TreeTables(Struct, frozen=True, kw_only=True, eq=False):
    """The arrays of the module's docstring. Construction checks them and makes them read-only.

    Raises
    ------
    Refused : an array has another type, length or range than the docstring says; the message names the array.
    """

    is_category: NDArray[np.bool_]
    nan_is_above: NDArray[np.bool_]
    border_offsets: NDArray[np.int32]
    borders: NDArray[np.float32]
    depths: NDArray[np.int32]
    split_features: NDArray[np.int32]
    split_borders: NDArray[np.int32]
    leaf_values: NDArray[np.float64]
    leaf_weights: NDArray[np.float64]
    scale: float = 1.0
    bias: float = 0.0
    code_ranks: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        """Check types, then lengths, then ranges; freeze."""
        for name, dtype in _DTYPES.items():
            array = getattr(self, name)
            _check(isinstance(array, np.ndarray) and array.ndim == 1, name, "must be a one-dimensional array")
            _check(array.dtype == np.dtype(dtype), name, f"must be {np.dtype(dtype).name}")
            _check(bool(array.flags.c_contiguous), name, "must be contiguous")
        _check_features(self)
        _check_ranks(self)
        _check_trees(self)
        for name in _DTYPES:
            getattr(self, name).flags.writeable = False

    @property
    def feature_count(self) -> int:
        """How many columns the matrix has."""
        return len(self.is_category)

    @property
    def ordered(self) -> tuple[int, ...]:
        """Features whose codes have ranks."""
        return tuple(f for f, ranks in enumerate(self.code_ranks) if ranks)

    @property
    def tree_count(self) -> int:
        """How many trees are added up."""
        return len(self.depths)

    @property
    def split_offsets(self) -> NDArray[np.int64]:
        """Where each tree's splits start; int64[t + 1]."""
        return offsets_from_lengths(self.depths)

    @property
    def leaf_offsets(self) -> NDArray[np.int64]:
        """Where each tree's leaves start; int64[t + 1]."""
        return offsets_from_lengths(np.left_shift(1, self.depths.astype(np.int64)))


_DTYPES: dict[str, type] = {
    "is_category": np.bool_,
    "nan_is_above": np.bool_,
    "border_offsets": np.int32,
    "borders": np.float32,
    "depths": np.int32,
    "split_features": np.int32,
    "split_borders": np.int32,
    "leaf_values": np.float64,
    "leaf_weights": np.float64,
}

ARRAY_NAMES = tuple(_DTYPES)
ARRAY_TYPES = {name: np.dtype(dtype).newbyteorder("<") for name, dtype in _DTYPES.items()}


def offsets_from_lengths(lengths: NDArray[np.signedinteger] | Sequence[int]) -> NDArray[np.int64]:
    """Running starts of consecutive pieces: int[k] lengths -> int64[k + 1]."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def rank_codes(tables: TreeTables, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix float32[n, m] as splits ask it: a copy with ranks for the codes of ordered features, itself where there are none."""
    if not tables.code_ranks:
        return matrix
    ranked = matrix.copy()
    for f in tables.ordered:
        ranked[:, f] = np.array(tables.code_ranks[f], dtype=np.float32)[matrix[:, f].astype(np.int64) + 1]
    return ranked


def _check(condition: bool, name: str, message: str) -> None:
    if not condition:
        raise Refused(f"model tables: {name} {message}")


def _check_features(tables: TreeTables) -> None:
    m = len(tables.is_category)
    _check(1 <= m <= FEATURES_MAX, "is_category", f"must name 1 to {FEATURES_MAX} features")
    _check(len(tables.nan_is_above) == m, "nan_is_above", f"must have {m} entries")
    offsets = tables.border_offsets
    _check(len(offsets) == m + 1 and offsets[0] == 0, "border_offsets", f"must have {m + 1} entries, the first 0")
    _check(bool(np.all(np.diff(offsets) >= 0)), "border_offsets", "must not fall")
    _check(int(offsets[-1]) == len(tables.borders), "borders", f"must have {int(offsets[-1])} entries")
    _check(len(tables.borders) <= BORDERS_MAX, "borders", f"must have at most {BORDERS_MAX} entries")
    _check(bool(np.all(np.isfinite(tables.borders))), "borders", "must be finite")
    inside = np.ones(len(tables.borders), dtype=np.bool_)
    starts = offsets[:-1][np.diff(offsets) > 0]
    inside[starts] = False
    rises = np.append(False, tables.borders[1:] > tables.borders[:-1])[: len(inside)]
    _check(bool(np.all(rises | ~inside)), "borders", "must rise strictly within each feature")
    codes = tables.borders[np.repeat(tables.is_category, np.diff(offsets))]
    is_code = (codes == np.floor(codes)) & (codes >= -1) & (codes <= CODE_MAX)
    _check(bool(np.all(is_code)), "borders", f"of a category must be whole codes from -1 to {CODE_MAX}")


def _check_ranks(tables: TreeTables) -> None:
    if not tables.code_ranks:
        return
    m = tables.feature_count
    _check(len(tables.code_ranks) == m and bool(tables.ordered), "code_ranks", f"must have {m} entries, not all empty")
    for f in tables.ordered:
        ranks = tables.code_ranks[f]
        _check(not tables.is_category[f], "code_ranks", "must not be of a feature that is_category names")
        _check(not tables.nan_is_above[f], "nan_is_above", "must not name a feature with ranks")
        _check(
            2 <= len(ranks) <= CODE_MAX + 2, "code_ranks", f"must rank 1 to {CODE_MAX + 1} codes and the missing one"
        )
        _check(sorted(ranks) == list(range(len(ranks))), "code_ranks", "must hold each rank from 0 up once")
        borders = tables.borders[tables.border_offsets[f] : tables.border_offsets[f + 1]]
        is_between = (borders % 1.0 == 0.5) & (borders > 0) & (borders < len(ranks) - 1)
        _check(bool(np.all(is_between)), "borders", "of a feature with ranks must lie halfway between two of them")


def _check_trees(tables: TreeTables) -> None:
    depths = tables.depths
    _check(1 <= len(depths) <= TREES_MAX, "depths", f"must name 1 to {TREES_MAX} trees")
    _check(bool(np.all((depths >= 0) & (depths <= DEPTH_MAX))), "depths", f"must lie between 0 and {DEPTH_MAX}")
    splits = int(depths.sum())
    _check(len(tables.split_features) == splits, "split_features", f"must have {splits} entries")
    _check(len(tables.split_borders) == splits, "split_borders", f"must have {splits} entries")
    features = tables.split_features
    is_known = bool(np.all((features >= 0) & (features < tables.feature_count)))
    _check(is_known, "split_features", "must name features of the model")
    counts = np.diff(tables.border_offsets)[features]
    is_inside = bool(np.all((tables.split_borders >= 0) & (tables.split_borders < counts)))
    _check(is_inside, "split_borders", "must lie within the feature's borders")
    leaves = int(np.left_shift(1, depths.astype(np.int64)).sum())
    _check(len(tables.leaf_values) == leaves, "leaf_values", f"must have {leaves} entries")
    _check(len(tables.leaf_weights) == leaves, "leaf_weights", f"must have {leaves} entries")
    _check(bool(np.all(np.isfinite(tables.leaf_values))), "leaf_values", "must be finite")
    weights = tables.leaf_weights
    _check(bool(np.all(np.isfinite(weights) & (weights >= 0))), "leaf_weights", "must be finite and not negative")
    _check(bool(np.isfinite(tables.scale)) and tables.scale > 0, "scale", "must be finite and above 0")
    _check(bool(np.isfinite(tables.bias)), "bias", "must be finite")
