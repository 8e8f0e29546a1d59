"""The reasons that the model would give: under two definitions of an attribution, and after a tiny change of what is known.

*interventional*  what decisions use: a variable's mean effect when applicants of the reference take its place; its mean over the
                  reference is 0, so what is above 0 is adverse.
*path-dependent*  what a tree would say without the variable is the mean over the training loans that took the same path. As libraries
                  give them they count from the mean of all training loans; less the reference's mean contribution they answer the
                  same question as the first.

Both are exact and add up to the same score. Where variables move together the two share it out differently, so a reason may depend on which is
meant; the report says how often. Loans that a lender would decline are looked at: the riskiest fifth of the test.

Stability: every known number of a loan is raised or lowered by a tiny share of itself, by the toss of a seeded coin. A reason that
goes with such a change says more of where a border lies than of the applicant. Categories and missing values stay.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.score.model import CompiledModel, explain_rows, mean_contributions
from instant_credit.score.reasons import REASONS_MAX, rank_adverse
from instant_credit.training.intervals import Measured, measure_bad_rate
from instant_credit.training.report.basis import DECLINED_SHARE, SAMPLE_SEED, Basis, ReferenceTold

COMPARED_MAX: Final = 4_000
NUDGED_MAX: Final = 3_000
NUDGES: Final = (0.0001, 0.001, 0.01)
TRADES_MAX: Final = 12
NO_REASON: Final = "no reason"

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Ranks = list[tuple[int, ...]]


class Trade(Struct, frozen=True, kw_only=True):
    """How many of the compared loans have `path_dependent` as principal reason there and `interventional` here; they differ."""

    path_dependent: str
    interventional: str
    loans: int


class ReasonShare(Struct, frozen=True, kw_only=True):
    """How often a variable is the principal reason, as a share of the compared loans, under either definition."""

    name: str
    interventional: float
    path_dependent: float


class Nudge(Struct, frozen=True, kw_only=True):
    """What stays when every known number of a loan changes by `amount` of itself.

    `score_change` is the 95th percentile of the absolute change of the raw score (log-odds).
    """

    amount: float
    loans: int
    principal_same: Measured
    four_same: Measured
    score_change: float


class Comparison(Struct, frozen=True, kw_only=True):
    """Interventional reasons beside path-dependent ones.

    Attributes
    ----------
    is_from_reference : whether path-dependent contributions count from the reference's mean, or from that of all training loans, as
        libraries give them.
    principal_differs, four_differ : shares of the compared loans.
    four_shared_mean : mean share of a set of up to four that is common to both.
    trades : the most frequent ones.
    """

    is_from_reference: bool
    principal_differs: Measured
    four_differ: Measured
    four_shared_mean: float
    shares: tuple[ReasonShare, ...]
    trades: tuple[Trade, ...]


class ReasonsTold(Struct, frozen=True, kw_only=True):
    """Everything about reasons; `loans` were compared, the riskiest `riskiest_share` of the test loans or a sample of them."""

    reference: ReferenceTold
    riskiest_share: float
    loans: int
    comparisons: tuple[Comparison, ...]
    nudges: tuple[Nudge, ...]


def tell_reasons(basis: Basis) -> ReasonsTold:
    """Compare the definitions and nudge."""
    training_set = basis.training.training_set
    families = [variable.family for variable in training_set.product.model_variables]
    rows = _riskiest(basis)
    matrix = np.ascontiguousarray(training_set.matrix[basis.explained_rows[rows]])
    weights = basis.explained_weights[rows]
    ours = rank_all(basis.contributions[rows], np.zeros(len(families)), families)
    contributions = explain_rows(basis.path_dependent, matrix)[1]
    means = mean_contributions(basis.path_dependent, basis.reference_counts)
    return ReasonsTold(
        reference=basis.reference,
        riskiest_share=DECLINED_SHARE,
        loans=len(rows),
        comparisons=tuple(
            compare_reasons(
                ours,
                rank_all(contributions, means if is_from_reference else np.zeros(len(families)), families),
                names=basis.training.bundle.variables,
                weights=weights,
                is_from_reference=is_from_reference,
            )
            for is_from_reference in (True, False)
        ),
        nudges=measure_nudges(basis.interventional, matrix, training_set.columns.is_category, families, weights),
    )


def compare_reasons(
    ours: Ranks, theirs: Ranks, *, names: Sequence[str], weights: Floats, is_from_reference: bool
) -> Comparison:
    """Interventional ranks beside path-dependent ones of the same n > 0 loans; `weights` float64[n]."""
    principals, others = _name_principals(names, ours), _name_principals(names, theirs)
    differ = np.array([one != other for one, other in zip(principals, others, strict=True)])
    shared = [
        len(set(one) & set(other)) / max(len(one), len(other), 1) for one, other in zip(ours, theirs, strict=True)
    ]
    is_other_set = np.array([set(one) != set(other) for one, other in zip(ours, theirs, strict=True)])
    pairs = Counter(pair for pair in zip(others, principals, strict=True) if pair[0] != pair[1])
    return Comparison(
        is_from_reference=is_from_reference,
        principal_differs=_measure_share(differ, weights),
        four_differ=_measure_share(is_other_set, weights),
        four_shared_mean=float(np.average(shared, weights=weights)),
        shares=_list_shares(principals, others, weights),
        trades=tuple(
            Trade(path_dependent=other, interventional=own, loans=count)
            for (other, own), count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:TRADES_MAX]
        ),
    )


def measure_nudges(
    model: CompiledModel,
    matrix: Matrix,
    is_category: NDArray[np.bool_],
    families: Sequence[str],
    weights: Floats,
) -> tuple[Nudge, ...]:
    """How reasons of float32[n, m] loans, n > 0, stand tiny changes; `model` is interventional."""
    matrix, weights = np.ascontiguousarray(matrix[:NUDGED_MAX]), weights[:NUDGED_MAX]
    means = np.zeros(len(families))
    raw, contributions = explain_rows(model, matrix)
    before = rank_all(contributions, means, families)
    chance = np.random.Generator(np.random.PCG64(SAMPLE_SEED))
    nudges = []
    for amount in NUDGES:
        coins = chance.integers(0, 2, matrix.shape) * 2.0 - 1.0
        nudged = matrix * (1.0 + amount * np.where(is_category, 0.0, coins))
        raw_after, contributions = explain_rows(model, np.ascontiguousarray(nudged, dtype=np.float32))
        after = rank_all(contributions, means, families)
        nudges.append(
            Nudge(
                amount=amount,
                loans=len(matrix),
                principal_same=_measure_share(
                    np.array([one[:1] == other[:1] for one, other in zip(before, after, strict=True)]), weights
                ),
                four_same=_measure_share(
                    np.array([set(one) == set(other) for one, other in zip(before, after, strict=True)]), weights
                ),
                score_change=float(np.quantile(np.abs(raw_after - raw), 0.95)),
            )
        )
    return tuple(nudges)


def rank_all(contributions: Floats, means: Floats, families: Sequence[str]) -> Ranks:
    """Positions of the variables that speak for the most adverse families, at most four, of each row of float64[n, m]."""
    reference = means.tolist()
    return [rank_adverse(row, reference, families, REASONS_MAX) for row in contributions.tolist()]


def _riskiest(basis: Basis) -> NDArray[np.int64]:
    """Which of the explained loans are the riskiest fifth by the final model, at most `COMPARED_MAX` by a seeded draw."""
    count = max(1, round(DECLINED_SHARE * len(basis.explained_raws)))
    riskiest = np.argsort(-basis.explained_raws, kind="stable")[:count]
    chance = np.random.Generator(np.random.PCG64(SAMPLE_SEED))
    # In random order, so that the first of them are a sample too.
    return chance.permutation(np.sort(riskiest))[:COMPARED_MAX]


def _name_principals(names: Sequence[str], ranks: Ranks) -> list[str]:
    return [names[rank[0]] if rank else NO_REASON for rank in ranks]


def _measure_share(is_so: NDArray[np.bool_], weights: Floats) -> Measured:
    """Share of loans for which something is so, with its interval."""
    return measure_bad_rate(is_so.astype(np.int8), weights)


def _list_shares(principals: list[str], others: list[str], weights: Floats) -> tuple[ReasonShare, ...]:
    totals = {name: [0.0, 0.0] for name in sorted({*principals, *others})}
    for own, other, weight in zip(principals, others, weights.tolist(), strict=True):
        totals[own][0] += weight
        totals[other][1] += weight
    whole = float(weights.sum())
    shares = [
        ReasonShare(name=name, interventional=one / whole, path_dependent=other / whole)
        for name, (one, other) in totals.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.interventional, share.name)))
