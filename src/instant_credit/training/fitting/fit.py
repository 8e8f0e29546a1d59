"""Fitting: CatBoost under the catalogue's directions, compiled to tree tables.

Law of the file:

1. A variable with a direction gets a monotone constraint; categories are one-hot. Those of `ordered_from` codes or more are put in
   order of their bad rate among the loans fitted on instead, drawn to that of all where few loans have the code, and split like numbers.
2. A missing value stands at one end of its variable's order, so that a constraint holds for it too: at the riskier end, unless loans
   without the value were clearly safer (two standard errors) among the loans fitted on. Where the fitted loans always had the
   value, the riskier end is written into the tables, so that leaving a value out later is never an advantage.
3. Seed and number of threads are part of the parameters: CatBoost's sums differ between one and two threads.
4. The tables score every fitted loan bit-equal to CatBoost, or the model is thrown away.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Final

import msgspec
import numpy as np
import pandas as pd
from catboost import CatBoostClassifier, Pool
from msgspec import Meta, Struct
from numpy.typing import NDArray

from instant_credit.application.product import Direction
from instant_credit.errors import Refused, require
from instant_credit.score.model import CompiledModel, compile_model, score_rows
from instant_credit.score.trees import TreeTables
from instant_credit.training.dataset import ModelColumns
from instant_credit.training.fitting.compile import compile_catboost
from instant_credit.training.weights import effective_loans, relative_weights

SIGNS: Final = {Direction.INCREASING: 1, Direction.DECREASING: -1, Direction.FREE: 0}

_CATEGORIES_MAX: Final = 255
_CLEARLY_ERRORS: Final = 2.0
_ORDERED_NEVER: Final = 1_000
# A code's bad rate counts as if so many loans more had it, of the bad rate of all.
_DRAWN_LOANS: Final = 20.0
_BLOCK_ROWS: Final = 100_000

# Told how many trees of how many a fit has grown.
Watch = Callable[[int, int], None]


class FitParameters(Struct, frozen=True, kw_only=True):
    """How CatBoost is run.

    `variables_share` is the share of variables that each split may choose from (CatBoost's rsm), `loans_share` that of the loans that
    each tree is grown on, drawn by minimal variance sampling (CatBoost's subsample). A category of `ordered_from` codes or
    more is ordered by risk, any other is one-hot; by default all are.

    The defaults were chosen on LendingClub loans issued before 2011 only: by AUC over splits by date.
    """

    iterations: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    depth: Annotated[int, Meta(ge=1, le=8)] = 4
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.02
    variables_share: Annotated[float, Meta(gt=0, le=1)] = 0.4
    loans_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    l2_leaf_reg: Annotated[float, Meta(ge=0)] = 10.0
    border_count: Annotated[int, Meta(ge=1, le=254)] = 254
    ordered_from: Annotated[int, Meta(ge=2, le=_ORDERED_NEVER)] = _ORDERED_NEVER
    seed: Annotated[int, Meta(ge=0)] = 0
    threads: Annotated[int, Meta(ge=1, le=64)] = 2


class FittedModel(Struct, frozen=True, kw_only=True, eq=False):
    """Tree tables and the same compiled."""

    tables: TreeTables
    compiled: CompiledModel

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores (uncalibrated log-odds of default), float64[n], of float32[n, m]."""
        return score_rows(self.compiled, matrix)


def fit_model(
    matrix: NDArray[np.float32],
    labels: NDArray[np.int8],
    columns: ModelColumns,
    parameters: FitParameters,
    *,
    weights: NDArray[np.float64] | None = None,
    kept: NDArray[np.bool_] | None = None,
    watch: Watch | None = None,
) -> FittedModel:
    """Fit one model.

    Beside the matrix it holds CatBoost's copy of it, the same in bins and one float64 a row.

    Parameters
    ----------
    matrix : float32[n, m] in the order of `columns`; NaN = missing, -1 for category codes.
    labels : int8[n], 1 = bad; both kinds must occur.
    weights : float64[n], above 0, of which only the ratios count; None = 1 each.
    kept : bool[m], the variables that a tree may split on; None = all.
    watch : told after each tree; it has no part in the fit, but for an exception that it raises, which ends the fit and leaves here.

    Raises
    ------
    Refused : no variable tells the loans apart, or only one kind of loan is there.
    """
    if not 0 < int(labels.sum()) < len(labels):
        raise Refused("fitting needs good and bad loans")
    weights = relative_weights(weights)
    is_above = place_missing(matrix, labels, columns, weights)
    code_ranks = order_codes(matrix, labels, columns, weights, parameters.ordered_from)
    pool = _make_pool(matrix, labels, columns, weights, code_ranks)
    model = _make_classifier(columns, parameters, is_above, kept)
    watched = None if watch is None else _Watched(watch, parameters.iterations)
    model.fit(pool, callbacks=None if watched is None else [watched])
    if watched is not None and watched.stopped_by is not None:
        raise watched.stopped_by
    counts = [len(categories) for categories in columns.categories]
    tables = compile_catboost(model, columns.names, counts, code_ranks)
    tables = msgspec.structs.replace(tables, nan_is_above=_settle_missing(tables, matrix, columns, is_above))
    fitted = FittedModel(tables=tables, compiled=compile_model(tables))
    expected = np.asarray(
        model.predict(pool, prediction_type="RawFormulaVal", thread_count=parameters.threads), dtype=np.float64
    )
    for first in range(0, len(matrix), _BLOCK_ROWS):
        rows = slice(first, first + _BLOCK_ROWS)
        require(
            np.array_equal(fitted.score(np.ascontiguousarray(matrix[rows])), expected[rows]),
            "the compiled tables do not score as CatBoost does",
        )
    return fitted


class _Watched:
    """CatBoost's callback."""

    def __init__(self, watch: Watch, trees: int) -> None:
        self._watch = watch
        self._trees = trees
        self.stopped_by: Exception | None = None

    def after_iteration(self, info: SimpleNamespace) -> bool:
        """Whether to go on after a tree. CatBoost would turn an exception into one of its own."""
        try:
            self._watch(int(info.iteration), self._trees)
        except Exception as error:
            self.stopped_by = error
        return self.stopped_by is None


def _make_classifier(
    columns: ModelColumns, parameters: FitParameters, is_above: NDArray[np.bool_], kept: NDArray[np.bool_] | None
) -> CatBoostClassifier:
    """CatBoost, not fitted yet."""
    return CatBoostClassifier(
        loss_function="Logloss",
        iterations=parameters.iterations,
        depth=parameters.depth,
        learning_rate=parameters.learning_rate,
        l2_leaf_reg=parameters.l2_leaf_reg,
        rsm=parameters.variables_share,
        bootstrap_type="MVS",
        subsample=parameters.loans_share,
        border_count=parameters.border_count,
        boosting_type="Plain",
        grow_policy="SymmetricTree",
        one_hot_max_size=_CATEGORIES_MAX,
        monotone_constraints={
            name: SIGNS[direction]
            for name, direction in zip(columns.names, columns.directions, strict=True)
            if SIGNS[direction]
        },
        ignored_features=None if kept is None else np.flatnonzero(~kept).tolist(),
        per_float_feature_quantization=[f"{j}:nan_mode=Max" for j in np.flatnonzero(is_above)],
        random_seed=parameters.seed,
        thread_count=parameters.threads,
        allow_writing_files=False,
        verbose=False,
    )


def order_codes(
    matrix: NDArray[np.float32],
    labels: NDArray[np.int8],
    columns: ModelColumns,
    weights: NDArray[np.float64] | None,
    ordered_from: int,
) -> tuple[tuple[int, ...], ...]:
    """Ranks by rising bad rate of the codes of each category of at least `ordered_from` codes, the missing code's first; else empty."""
    if not any(len(categories) >= ordered_from for categories in columns.categories):
        return ()
    counted = np.ones(len(labels)) if weights is None else weights
    rate = float(counted @ labels) / float(counted.sum())
    ranks: list[tuple[int, ...]] = []
    for j, categories in enumerate(columns.categories):
        if len(categories) < ordered_from:
            ranks.append(())
            continue
        places, count = matrix[:, j].astype(np.int64) + 1, len(categories) + 1
        loans = np.bincount(places, weights=counted, minlength=count)
        bads = np.bincount(places, weights=counted * labels, minlength=count)
        order = np.argsort((bads + _DRAWN_LOANS * rate) / (loans + _DRAWN_LOANS), kind="stable")
        ranks.append(tuple(np.argsort(order, kind="stable").tolist()))
    return tuple(ranks)


def place_missing(
    matrix: NDArray[np.float32],
    labels: NDArray[np.int8],
    columns: ModelColumns,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.bool_]:
    """Whether a missing value counts as above every value, bool[m]; False for categories and undirected variables."""
    is_above = np.zeros(matrix.shape[1], dtype=np.bool_)
    counted = np.ones(len(labels)) if weights is None else weights
    for j, direction in enumerate(columns.directions):
        sign = SIGNS[direction]
        if not sign or columns.categories[j]:
            continue
        is_safer = _is_clearly_safer(np.isnan(matrix[:, j]), labels, counted)
        is_above[j] = (sign > 0) is not is_safer
    return is_above


def _is_clearly_safer(is_missing: NDArray[np.bool_], labels: NDArray[np.int8], weights: NDArray[np.float64]) -> bool:
    """Whether the loans without a value went bad less often than the others, by more than chance would."""
    if is_missing.all() or not is_missing.any():
        return False
    rates, trials = [], []
    for rows in (is_missing, ~is_missing):
        rates.append(float(weights[rows] @ labels[rows]) / float(weights[rows].sum()))
        trials.append(effective_loans(weights[rows]))
    pooled = (rates[0] * trials[0] + rates[1] * trials[1]) / (trials[0] + trials[1])
    error = (pooled * (1.0 - pooled) * (1.0 / trials[0] + 1.0 / trials[1])) ** 0.5
    return bool(rates[1] - rates[0] > _CLEARLY_ERRORS * error)


def _settle_missing(
    tables: TreeTables, matrix: NDArray[np.float32], columns: ModelColumns, is_above: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """CatBoost's treatment where it saw missing values, the riskier end where it saw none."""
    saw_missing = np.zeros(matrix.shape[1], dtype=np.bool_)
    for first in range(0, len(matrix), _BLOCK_ROWS):
        saw_missing |= np.isnan(matrix[first : first + _BLOCK_ROWS]).any(axis=0)
    return np.where(saw_missing | columns.is_category, tables.nan_is_above, is_above)


def _make_pool(
    matrix: NDArray[np.float32],
    labels: NDArray[np.int8],
    columns: ModelColumns,
    weights: NDArray[np.float64] | None,
    code_ranks: tuple[tuple[int, ...], ...],
) -> Pool:
    """The matrix as CatBoost wants it: categories as the decimal text of their codes, ordered ones as their ranks.

    The frame holds views of the matrix and a byte or two for each code, so that CatBoost's own copy is the only one.
    """
    series: dict[str, object] = {}
    for j, (name, categories) in enumerate(zip(columns.names, columns.categories, strict=True)):
        if code_ranks and code_ranks[j]:
            series[name] = np.array(code_ranks[j], dtype=np.float32)[matrix[:, j].astype(np.int64) + 1]
        elif categories:
            texts = [str(code) for code in range(-1, len(categories))]
            series[name] = pd.Categorical.from_codes(matrix[:, j].astype(np.int16) + 1, categories=texts)
        else:
            series[name] = matrix[:, j]
    frame = pd.DataFrame(series, copy=False)
    one_hot = [
        j for j, categories in enumerate(columns.categories) if categories and not (code_ranks and code_ranks[j])
    ]
    return Pool(frame, labels.astype(np.int64), cat_features=one_hot, weight=weights)
