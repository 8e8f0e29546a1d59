"""The compiled model: tree tables prepared for scoring and for exact attributions.

Attribution. For a row x and a set S of features, let v(S) be the expected raw score when only the features of S are known: a split
on a known feature follows x; a split on an unknown one weighs its children by their cover, the training weight that fell into
them (`leaf_weights`); where a node has no cover at all, its children weigh equally. The last split of a tree is its root. Leaves
count with their real value even when no training weight fell into them, as happens in monotone models. A feature's contribution is
its Shapley value in the game v; v of nothing known is `expected_log_odds`. So, for every row,

    expected_log_odds + sum of contributions = raw score (up to rounding).

This is the path-dependent value of Lundberg et al. (2020), "From local explanations to global understanding with explainable AI
for trees", algorithm 1. In a symmetric tree every answer is known from the leaf index alone, so contributions are a table by tree,
leaf and feature; a row is explained by one look-up per tree. CatBoost's `ShapValues` gives the same figures for models whose
empty leaves are worth 0; otherwise its figures depend on the pool that it is shown, ours do not.

Steps: TreeTables -> columns (numbers as they are, one column per category code asked for) -> trees padded to one depth ->
records float64[t, 2^d, w] (value and contributions of each leaf) -> kernels.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.score import kernels
from instant_credit.score.attribution.records import UNIT, check_counts, fix_contributions, share_out
from instant_credit.score.layout import Layout, lay_out
from instant_credit.score.reasons import REASONS_MAX, rank_adverse
from instant_credit.score.trees import TreeTables

Definition = Literal["interventional", "path_dependent"]

# Below this many rows one row at a time is faster than a block (break-even on 300 trees of depth 6: about 8 rows).
FEW_ROWS = 8


class CompiledModel(Struct, frozen=True, kw_only=True, eq=False):
    """A model ready to score; made by `compile_model`. All arrays are read-only.

    `expected_log_odds` is the base from which contributions count. `family_places` int32[m] numbers the reason families.
    """

    tables: TreeTables
    definition: Definition
    expected_log_odds: float
    layout: Layout
    records: NDArray[np.float64]
    affine: NDArray[np.float64]
    family_places: NDArray[np.int32]


class Explanation(Struct, frozen=True, eq=False, gc=False):
    """One row, scored and explained.

    Attributes
    ----------
    raw : log-odds of default, bit-equal to CatBoost's ``RawFormulaVal``.
    contributions : float64[m] log-odds of default; the model's `expected_log_odds` and they add up to `raw` within 1e-8.
    adverse : positions of at most four variables that speak for the most adverse families, as `reasons.rank_adverse` ranks them
        against a reference of 0.0.
    """

    raw: float
    contributions: NDArray[np.float64]
    adverse: tuple[int, ...]


def compile_model(
    tables: TreeTables,
    reference_counts: NDArray[np.int64] | None = None,
    *,
    families: Sequence[str] | None = None,
    simd: bool | None = None,
) -> CompiledModel:
    """Prepare `tables` for scoring; contribution tables are built here, once per model.

    Parameters
    ----------
    reference_counts : int64[leaves] as `leaf_counts` gives them: contributions are interventional against these rows. None: they are
        path-dependent.
    families : m reason families by which `explain_row` and `rank_rows` rank; None: each variable is its own.
    simd : whether to use the processor's widest instructions; None: where it has them. The bytes are the same.

    Raises
    ------
    Refused : the counts are another model's or count nobody, or contributions could leave the range of exact sums.
    """
    m = tables.feature_count
    require(families is None or len(families) == m, "one family a variable")
    layout = lay_out(tables)
    if reference_counts is None:
        records, expected = share_out(layout, tables.leaf_weights, is_reference=False)
    else:
        check_counts(tables, reference_counts)
        records, expected = share_out(layout, reference_counts, is_reference=True)
    records.view(np.int64)[:, :, 1:] = fix_contributions(records)
    names = list(range(m)) if families is None else list(families)
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    family_places = np.array([places[name] for name in names], dtype=np.int32)
    affine = np.array([tables.scale, tables.bias])
    for array in (records, affine, family_places):
        array.flags.writeable = False
    return CompiledModel(
        tables=tables,
        definition="path_dependent" if reference_counts is None else "interventional",
        expected_log_odds=expected,
        layout=layout,
        records=records,
        affine=affine,
        family_places=family_places,
    )


def score_rows(model: CompiledModel, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Raw scores in log-odds of default.

    Parameters
    ----------
    matrix : float32[n, m], C-contiguous; numbers with NaN = missing, categories as codes with -1 = missing.

    Returns
    -------
    float64[n], bit-equal to CatBoost's ``RawFormulaVal``.
    """
    _require_matrix(model, matrix)
    raw_scores = np.empty(matrix.shape[0])
    kernels.score_rows(*_arrays(model, matrix), model.layout.leaf_values, model.affine, raw_scores)
    return raw_scores


def explain_rows(model: CompiledModel, matrix: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Raw scores and what each feature contributed to them.

    Parameters
    ----------
    matrix : as in `score_rows`.

    Returns
    -------
    float64[n] the same bits as `score_rows`, and float64[n, m] log-odds of default (positive raises the risk; 0.0 for a feature
    that no split asks for).
    """
    _require_matrix(model, matrix)
    n, m = matrix.shape
    out = np.empty(n * (m + 1))
    kernel = kernels.explain_few if n < FEW_ROWS else kernels.explain_rows
    kernel(*_arrays(model, matrix), model.records, model.affine, out)
    return out[:n], out[n:].reshape(n, m)


def explain_row(model: CompiledModel, row: NDArray[np.float32]) -> Explanation:
    """One row scored, explained and its reasons ranked; the same bytes as `explain_rows` and `rank_rows` of many.

    Parameters
    ----------
    row : float32[m], contiguous; values as in `score_rows`.
    """
    raw_scores, contributions = explain_rows(model, row.reshape(1, -1))
    adverse = rank_rows(model, contributions)[0]
    return Explanation(float(raw_scores[0]), contributions[0], adverse)


def rank_rows(
    model: CompiledModel, contributions: NDArray[np.float64], most: int = REASONS_MAX
) -> list[tuple[int, ...]]:
    """Positions of at most `most` adverse variables of each row, one per family, the most adverse first.

    Parameters
    ----------
    contributions : float64[n, m] as `explain_rows` gives them.
    """
    nothing = [0.0] * model.tables.feature_count
    families = model.family_places.astype(str).tolist()
    return [rank_adverse(row, nothing, families, most) for row in contributions.tolist()]


def leaf_counts(model: CompiledModel, matrix: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many rows of `matrix` (as in `score_rows`) fall into each leaf: int64[leaves], tree after tree.

    Counts of two sets of rows add up to the counts of both.
    """
    _require_matrix(model, matrix)
    counts = np.zeros(model.layout.is_leaf.shape, dtype=np.int64)
    kernels.count_leaves(*_arrays(model, matrix), counts)
    return counts[model.layout.is_leaf]


def mean_contributions(model: CompiledModel, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean contribution of each feature over a population, from its counts per leaf alone.

    Parameters
    ----------
    counts : int64[leaves] as `leaf_counts` gives them, of at least one row.

    Returns
    -------
    float64[m] log-odds of default.

    Raises
    ------
    Refused : counts of another model, or of no rows.
    """
    n = check_counts(model.tables, counts)
    layout = model.layout
    units = model.records.view(np.int64)[:, :, 1 : layout.depth + 1] * UNIT
    by_slot = np.einsum("tl,tls->ts", layout.pad_leaves(counts), units)
    totals = np.zeros(model.tables.feature_count + 1)
    np.add.at(totals, layout.tree_columns[:, layout.depth :], by_slot)
    return totals[:-1] / n


def _arrays(
    model: CompiledModel, matrix: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.uint32], NDArray[np.float32], NDArray[np.uint32], NDArray[np.float32]]:
    """What every kernel over rows reads."""
    layout = model.layout
    return matrix, layout.column_features, layout.column_codes, layout.tree_columns, layout.split_borders


def _require_matrix(model: CompiledModel, matrix: NDArray[np.float32]) -> None:
    require(
        matrix.ndim == 2
        and matrix.dtype == np.float32
        and matrix.flags.c_contiguous
        and matrix.shape[1] == model.tables.feature_count,
        f"a model matrix is float32[n, {model.tables.feature_count}], C-contiguous",
    )
