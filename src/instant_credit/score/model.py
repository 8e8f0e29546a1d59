"""The compiled model: tree tables prepared for scoring and for exact attributions.

Attribution. For a row x and a set S of features, let v(S) be the raw score that is expected when only the features of S are known. A
feature's contribution is its Shapley value in the game v, and v of nothing known is `expected_log_odds`. So, for every row,

    expected_log_odds + sum of contributions = raw score (within 1e-8: half a unit a tree, and the raw score's own rounding).

There are two definitions of v.

Interventional, against a reference population: v(S) is the mean raw score over the reference's rows z, each with x's values in S and its
own elsewhere. A contribution says how much x's value moves the score away from the reference's, and the reference's own mean
contribution is 0 for every feature. In a symmetric tree the mixed row's leaf has x's bits where the split's feature is in S and z's bits
elsewhere, so the reference enters only through its counts per leaf.

Path-dependent: a split on a known feature follows x; a split on an unknown one weighs its children by their cover, the training weight
that fell into them (`leaf_weights`); where a node has no cover at all, its children weigh equally. The last split of a tree is its
root. Leaves count with their real value even when no training weight fell into them, as happens in monotone models. CatBoost's
`ShapValues` gives the same figures for models whose empty leaves are worth 0; otherwise its figures depend on the pool that it is
shown, ours do not.

Either way every answer is known from the leaf index alone, so contributions are a table by tree, leaf and feature; a row is explained
by one look-up per tree. They are told in whole units of 2^-44 log-odds (`attribution/records.py`).

Source: Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees", algorithms 1 and 3; on
the two definitions Janzing et al. (2020), "Feature relevance quantification in explainable AI: a causal problem".

Steps: TreeTables -> layout -> contributions by tree, leaf and slot -> program (one array) and tables (for many rows at once) -> kernels,
those in registers of 512 bits where processor and model allow. Every path gives the same bytes.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import BrokenInvariant, Refused, require
from instant_credit.score import kernels
from instant_credit.score.attribution.records import check_counts, fix_contributions, share_out
from instant_credit.score.lanes import kernels as lanes
from instant_credit.score.lanes.tables import build_tables, can_hold
from instant_credit.score.layout import Layout, lay_out
from instant_credit.score.program import COLUMNS_OF_ROW_MAX, build_program
from instant_credit.score.registers.kernels import IS_FIT
from instant_credit.score.trees import TreeTables

Definition = Literal["interventional", "path_dependent"]
Found = tuple[float, int, tuple[int, int, int, int]]

# From this many rows on, explaining 64 at once in registers is no slower than row by row (1,000 trees of depth 6, 80 variables: 16 rows take
# equally long, 8 rows half as long row by row); scoring alone breaks even at 8.
FEW_ROWS = 16


class CompiledModel(Struct, frozen=True, kw_only=True, eq=False):
    """A model ready to score; made by `compile_model`. All arrays are read-only.

    Attributes
    ----------
    definition : which contributions it tells.
    expected_log_odds : the base from which contributions count.
    program : int64, the whole model (`program.py`).
    in_lanes : int64, the tables of `lanes/tables.py`; None where processor or model have none.
    row_kernel : the kernel of one row.
    """

    tables: TreeTables
    definition: Definition
    expected_log_odds: float
    layout: Layout
    program: NDArray[np.int64]
    in_lanes: NDArray[np.int64] | None
    row_kernel: Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]], Found]
    feature_count: int


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
    simd : whether to use registers of 512 bits; None: where the processor has them. The bytes are the same. A model that does not
        fit them (more than 256 variables or 254 borders of one, deeper than 6) takes the portable path, as a whole or in part.

    Raises
    ------
    Refused : the counts are another model's or count nobody, contributions could leave the range of exact sums, or `simd` is asked for
        where the processor has none.
    """
    m = tables.feature_count
    require(families is None or len(families) == m, "one family a variable")
    if simd and not IS_FIT:
        raise Refused(
            "compiled model: this processor has no AVX-512 VBMI, or kernels are not compiled for it; leave simd out"
        )
    layout = lay_out(tables)
    if reference_counts is None:
        records, expected = share_out(layout, tables.leaf_weights, is_reference=False)
    else:
        check_counts(tables, reference_counts)
        records, expected = share_out(layout, reference_counts, is_reference=True)
    units = fix_contributions(layout, records)
    program = build_program(layout, units, _number_families(families, m))
    is_wide = IS_FIT if simd is None else simd
    columns = int(program[int(kernels.COLUMNS)])
    fits_row = is_wide and 0 < columns <= COLUMNS_OF_ROW_MAX
    return CompiledModel(
        tables=tables,
        definition="path_dependent" if reference_counts is None else "interventional",
        expected_log_odds=expected,
        layout=layout,
        program=program,
        in_lanes=build_tables(layout, units) if is_wide and can_hold(layout, units) else None,
        row_kernel=lanes.explain_row if fits_row else kernels.explain_row,
        feature_count=m,
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
    if model.in_lanes is None or len(matrix) < FEW_ROWS:
        kernels.score_rows(matrix, model.program, raw_scores)
    else:
        lanes.explain_rows(matrix, model.program, model.in_lanes, False, raw_scores)
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
    if model.in_lanes is None or n < FEW_ROWS:
        kernels.explain_rows(matrix, model.program, out)
    else:
        lanes.explain_rows(matrix, model.program, model.in_lanes, True, out)
    return out[:n], out[n:].reshape(n, m)


def explain_row(model: CompiledModel, row: NDArray[np.float32]) -> Explanation:
    """One row scored, explained and its reasons ranked; the same bytes as `explain_rows` and `rank_rows` of many.

    Parameters
    ----------
    row : float32[m], contiguous; values as in `score_rows`.
    """
    contributions = _empty(model.feature_count)
    try:
        raw, count, adverse = model.row_kernel(row, model.program, contributions)
    except TypeError as error:
        raise BrokenInvariant(_ROW.format(model.feature_count)) from error
    if count == _MOST:
        return Explanation(raw, contributions, adverse)
    if count < 0:
        raise BrokenInvariant(_ROW.format(model.feature_count))
    return Explanation(raw, contributions, adverse[:count])


def rank_rows(model: CompiledModel, contributions: NDArray[np.float64]) -> list[tuple[int, ...]]:
    """What `explain_row` calls adverse, row by row.

    Parameters
    ----------
    contributions : float64[n, m] as `explain_rows` gives them.
    """
    m = model.feature_count
    require(contributions.ndim == 2 and contributions.shape[1] == m, f"contributions are float64[n, {m}]")
    ranked = np.empty((len(contributions), kernels.MOST + 1), dtype=np.int64)
    kernels.rank_rows(np.ascontiguousarray(contributions), model.program, ranked)
    return [tuple(adverse[:count]) for count, *adverse in ranked.tolist()]


def leaf_counts(model: CompiledModel, matrix: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many rows of `matrix` (as in `score_rows`) fall into each leaf: int64[leaves], tree after tree.

    Counts of two sets of rows add up to the counts of both.
    """
    _require_matrix(model, matrix)
    counts = np.zeros(model.layout.is_leaf.shape, dtype=np.int64)
    kernels.count_leaves(matrix, model.program, counts)
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
    trees, leaves = layout.is_leaf.shape
    records = model.program[int(model.program[int(kernels.AT_RECORDS)]) :].reshape(trees, leaves, -1)
    units = records[:, :, 1 : layout.depth + 1] * kernels.UNIT
    by_slot = np.einsum("tl,tls->ts", layout.pad_leaves(counts), units)
    totals = np.zeros(model.feature_count + 1)
    np.add.at(totals, layout.slot_features, by_slot)
    return totals[:-1] / n


# A global name is found sooner than an attribute of a module.
_empty = np.empty
_MOST = kernels.MOST

_ROW = "a model row is float32[{}], contiguous"


def _number_families(families: Sequence[str] | None, m: int) -> NDArray[np.uint32]:
    """uint32[m], the number of each variable's family."""
    if families is None:
        return np.arange(m, dtype=np.uint32)
    places = {family: place for place, family in enumerate(dict.fromkeys(families))}
    return np.array([places[family] for family in families], dtype=np.uint32)


def _require_matrix(model: CompiledModel, matrix: NDArray[np.float32]) -> None:
    require(
        matrix.ndim == 2
        and matrix.dtype == np.float32
        and matrix.flags.c_contiguous
        and matrix.shape[1] == model.feature_count,
        f"a model matrix is float32[n, {model.feature_count}], C-contiguous",
    )
