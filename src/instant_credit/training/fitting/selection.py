"""Selection: which variables of many a model may split on, learned from the loans fitted on and from nothing else.

    m variables
      -> usable:     not the same (or missing) for nearly all loans
      -> stable:     population stability index between the earlier and the later half of the loans within a limit; random halves of the
                     persons where the loans have no dates. A variable that moves between the halves may move again
      -> apart:      from the one that tells most about default to the one that tells least (information value over ten bins), each is
                     kept unless its rank correlation with a kept one exceeds a limit. Categories have no order and pass
      -> important:  a quick fit on what is left; variables by falling mean size of their contributions, until they hold nearly all of it,
                     and at most so many
      -> kept, each of the others with the step at which it fell and what was measured

Every step is a function of the loans alone: ties go to the variable that comes first.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from instant_credit.errors import Refused
from instant_credit.outcome.drift import count_weights, cut_bins, measure_psi
from instant_credit.score.model import explain_rows
from instant_credit.training.dataset import Loans, ModelColumns
from instant_credit.training.fitting.binning import measure_information
from instant_credit.training.fitting.fit import FitParameters, fit_model
from instant_credit.training.plans import deal_folds, is_dated
from instant_credit.training.weights import effective_loans

Step = Literal["unusable", "unstable", "correlated", "unimportant"]
Floats = NDArray[np.float64]

COMMONEST_MAX: Final = 0.999
_RANKED_MAX: Final = 5_000
_FITTED_MAX: Final = 30_000
_EXPLAINED_MAX: Final = 5_000
# Columns that are worked on together.
_BLOCK: Final = 64
_ROUNDING: Final = 1e-9
# Importances only have to order variables, which shallow trees over few borders do too.
_QUICK: Final = FitParameters(
    iterations=150, depth=4, learning_rate=0.1, variables_share=0.4, l2_leaf_reg=10.0, border_count=32
)


class SelectOptions(Struct, frozen=True, kw_only=True):
    """Limits of the steps.

    Attributes
    ----------
    most : how many variables are kept at most.
    psi_max : population stability index between the two halves of the loans, above which a variable is dropped.
    correlation_max : absolute rank correlation with a better variable, above which a variable is dropped.
    importance_share : variables are kept, the most important first, until they hold this share of all importance.
    """

    most: Annotated[int, Meta(ge=1)] = 250
    psi_max: Annotated[float, Meta(gt=0)] = 0.25
    correlation_max: Annotated[float, Meta(gt=0, le=1)] = 0.95
    importance_share: Annotated[float, Meta(gt=0, le=1)] = 0.999


class Dropped(Struct, frozen=True, kw_only=True):
    """A variable that was left out: at which step, what was measured, beside what limit, and in whose favour (correlated only)."""

    name: str
    step: Step
    measured: float
    limit: float
    rival: str | None = None


class Selection(Struct, frozen=True, kw_only=True):
    """Names of the kept variables in matrix order, and of the dropped ones in matrix order with the reason."""

    options: SelectOptions
    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]

    def mask(self, columns: ModelColumns) -> NDArray[np.bool_]:
        """Which of the columns are kept, bool[m]."""
        kept = set(self.kept)
        return np.array([name in kept for name in columns.names], dtype=np.bool_)


def select_variables(loans: Loans, options: SelectOptions, threads: int = _QUICK.threads) -> Selection:
    """Select among the m variables of `loans`.

    Raises
    ------
    Refused : no variable is left.
    """
    dropped: dict[int, Dropped] = {}
    informations = _drop_by_bins(loans, options, dropped)
    _drop_correlated(loans, options, informations, dropped)
    _require_left(loans, dropped)
    _drop_unimportant(loans, options, threads, dropped)
    _require_left(loans, dropped)
    names = loans.columns.names
    return Selection(
        options=options,
        kept=tuple(name for j, name in enumerate(names) if j not in dropped),
        dropped=tuple(dropped[j] for j in sorted(dropped)),
    )


def narrow(loans: Loans, mask: NDArray[np.bool_]) -> Loans:
    """The same loans with the columns of `mask`, bool[m], alone."""
    kept = np.flatnonzero(mask).tolist()
    columns = loans.columns
    return Loans(
        columns=ModelColumns(
            names=tuple(columns.names[j] for j in kept),
            directions=tuple(columns.directions[j] for j in kept),
            categories=tuple(columns.categories[j] for j in kept),
        ),
        matrix=np.ascontiguousarray(loans.matrix[:, kept]),
        labels=loans.labels,
        days=loans.days,
        persons=loans.persons,
        weights=loans.weights,
    )


def _drop_by_bins(loans: Loans, options: SelectOptions, dropped: dict[int, Dropped]) -> Floats:
    """Usable and stable; returns each variable's information value, float64[m]."""
    columns = loans.columns
    weights = loans.weights / float(loans.weights.mean())
    is_earlier = _halve(loans)
    parts = [effective_loans(weights[rows]) for rows in (is_earlier, ~is_earlier)]
    informations = np.zeros(len(columns.names))
    every_loan = np.ones(loans.loans, dtype=np.bool_)
    # Loans are counted by half, kind and bin at once.
    kinds = 2 * (~is_earlier).astype(np.int64) + loans.labels
    for j, values in _iterate_columns(loans.matrix):
        name = columns.names[j]
        bins, count = cut_bins(values, every_loan, len(columns.categories[j]))
        table = count_weights(kinds * count + bins, weights, 4 * count).reshape(2, 2, count)
        # A value lies in one bin, so none is commoner than the fullest.
        if table.sum(axis=(0, 1)).max() >= (COMMONEST_MAX - _ROUNDING) * table.sum():
            commonest = _measure_commonest(values, weights)
            if commonest > COMMONEST_MAX:
                dropped[j] = Dropped(name=name, step="unusable", measured=commonest, limit=COMMONEST_MAX)
                continue
        psi = measure_psi(*table.sum(axis=1), *parts)
        if psi.value > options.psi_max and psi.value > psi.chance:
            dropped[j] = Dropped(name=name, step="unstable", measured=psi.value, limit=options.psi_max)
            continue
        goods, bads = table.sum(axis=0)
        informations[j] = float(measure_information(goods, bads, float(goods.sum()), float(bads.sum())).sum())
    return informations


def _iterate_columns(matrix: NDArray[np.float32]) -> Iterator[tuple[int, Floats]]:
    """Positions and columns float64[n]; a few are taken out of the rows at a time, which lie far apart in memory."""
    for first in range(0, matrix.shape[1], _BLOCK):
        block = np.ascontiguousarray(matrix[:, first : first + _BLOCK].T)
        for j, values in enumerate(block, start=first):
            yield j, values.astype(np.float64)


def _halve(loans: Loans) -> NDArray[np.bool_]:
    """Which loans are of the first half: the earlier ones, or persons by a fixed shuffle."""
    if is_dated(loans):
        return np.arange(loans.loans) < loans.loans // 2
    return np.asarray(deal_folds(loans.persons, 2, "halves") == 0, dtype=np.bool_)


def _measure_commonest(values: Floats, weights: Floats) -> float:
    """Share of the loans that have the commonest value; missing is one value too."""
    _, places = np.unique(values, return_inverse=True)
    return float(np.bincount(places.ravel(), weights=weights).max() / weights.sum())


def _drop_correlated(loans: Loans, options: SelectOptions, informations: Floats, dropped: dict[int, Dropped]) -> None:
    numbers = [j for j, categories in enumerate(loans.columns.categories) if not categories and j not in dropped]
    order = sorted(numbers, key=lambda j: (-informations[j], j))
    names = [loans.columns.names[j] for j in order]
    for place, rival, correlation in find_correlated(_rank(loans, order), options.correlation_max):
        dropped[order[place]] = Dropped(
            name=names[place],
            step="correlated",
            measured=correlation,
            limit=options.correlation_max,
            rival=names[rival],
        )


def find_correlated(ranks: Floats, correlation_max: float) -> list[tuple[int, int, float]]:
    """Rows to leave out: (position, that of the kept row that it is nearest to, their absolute correlation).

    Rows are taken in turn, and each is kept unless its correlation with a kept one exceeds the limit.

    Parameters
    ----------
    ranks : float64[m, k], each row with mean 0 and length 1, or nothing but zeros; its rows are moved.
    """
    kept: list[int] = []
    found = []
    # Sums over several threads are added up in an order that depends on their number.
    with threadpool_limits(limits=1, user_api="blas"):
        for first in range(0, len(ranks), _BLOCK):
            block = ranks[first : first + _BLOCK].copy()
            across, within = np.abs(ranks[: len(kept)] @ block.T), np.abs(block @ block.T)
            fresh: list[int] = []
            for place in range(len(block)):
                correlations = np.concatenate([across[:, place], within[fresh, place]])
                nearest = int(correlations.argmax()) if len(correlations) else 0
                if len(correlations) and correlations[nearest] > correlation_max:
                    found.append((first + place, kept[nearest], float(correlations[nearest])))
                    continue
                # Kept rows stand first, side by side.
                ranks[len(kept)] = block[place]
                kept.append(first + place)
                fresh.append(place)
    return found


def _rank(loans: Loans, columns: list[int]) -> Floats:
    """Ranks of a sample of loans, float64[columns, k], each row with mean 0 and length 1; a missing value has the mean rank."""
    rows = _sample(loans.loans, _RANKED_MAX)
    values_by_column = np.ascontiguousarray(loans.matrix[rows].T)
    ranks = np.zeros((len(columns), len(rows)))
    for place, j in enumerate(columns):
        values = values_by_column[j]
        is_known = ~np.isnan(values)
        if is_known.sum() > 1:
            ranked = rankdata(values[is_known])
            ranks[place, is_known] = ranked - ranked.mean()
    lengths = np.sqrt(np.square(ranks).sum(axis=1, keepdims=True))
    ranks /= np.where(lengths > 0.0, lengths, 1.0)
    return ranks


def _drop_unimportant(loans: Loans, options: SelectOptions, threads: int, dropped: dict[int, Dropped]) -> None:
    mask = np.array([j not in dropped for j in range(len(loans.columns.names))])
    left = narrow(loans, mask)
    sample = left.take(_sample(left.loans, _FITTED_MAX))
    quick = msgspec.structs.replace(_QUICK, threads=threads)
    fitted = fit_model(sample.matrix, sample.labels, sample.columns, quick, weights=sample.weights)
    rows = _sample(sample.loans, _EXPLAINED_MAX)
    _, contributions = explain_rows(fitted.compiled, np.ascontiguousarray(sample.matrix[rows]))
    importances = np.abs(contributions).mean(axis=0)
    total = float(importances.sum())
    held = 0.0
    positions = np.flatnonzero(mask)
    for place, j in enumerate(sorted(range(len(positions)), key=lambda at: (-importances[at], at))):
        is_kept = place < options.most and importances[j] > 0.0 and held < options.importance_share * total
        held += float(importances[j])
        if not is_kept:
            dropped[int(positions[j])] = Dropped(
                name=left.columns.names[j],
                step="unimportant",
                measured=float(importances[j]) / total if total > 0.0 else 0.0,
                limit=options.importance_share,
            )


def _sample(loans: int, most: int) -> NDArray[np.int64]:
    """At most `most` rows at even distances."""
    return np.arange(0, loans, -(-loans // most), dtype=np.int64)


def _require_left(loans: Loans, dropped: dict[int, Dropped]) -> None:
    if len(dropped) < len(loans.columns.names):
        return
    steps = [one.step for one in dropped.values()]
    told = ", ".join(f"{steps.count(step)} {step}" for step in sorted(set(steps)))
    raise Refused(f"the selection leaves no variable ({told}): train without --select, or look at the tape's columns")
