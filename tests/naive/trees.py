"""Slow twins of score/kernels.py: plain Python over tree tables, written from the definitions alone."""

import math
from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from instant_credit.score.trees import TreeTables
from tests.naive.reasons import naive_rank_adverse

Split = tuple[int, float]


def naive_splits(tables: TreeTables, tree: int) -> list[Split]:
    """(feature, border or code) of each split, bit 0 first."""
    start = int(tables.depths[:tree].sum())
    found = []
    for s in range(start, start + int(tables.depths[tree])):
        feature = int(tables.split_features[s])
        place = int(tables.border_offsets[feature]) + int(tables.split_borders[s])
        found.append((feature, float(tables.borders[place])))
    return found


def naive_leaves(tables: TreeTables, tree: int) -> tuple[list[float], list[float]]:
    """(values, weights) of a tree's leaves."""
    start = sum(2 ** int(d) for d in tables.depths[:tree])
    stop = start + 2 ** int(tables.depths[tree])
    return tables.leaf_values[start:stop].tolist(), tables.leaf_weights[start:stop].tolist()


def naive_answer(tables: TreeTables, split: Split, row: Sequence[float]) -> bool:
    feature, border = split
    value = float(np.float32(row[feature]))
    if tables.code_ranks and tables.code_ranks[feature]:
        return tables.code_ranks[feature][int(value) + 1] > border
    if tables.is_category[feature]:
        return value == border
    if math.isnan(value):
        return bool(tables.nan_is_above[feature])
    return value > border


def naive_leaf(tables: TreeTables, tree: int, row: Sequence[float]) -> int:
    return sum(2**j for j, split in enumerate(naive_splits(tables, tree)) if naive_answer(tables, split, row))


def naive_score_rows(tables: TreeTables, matrix: NDArray[np.float32]) -> list[float]:
    scores = []
    for row in matrix.tolist():
        total = 0.0
        for tree in range(tables.tree_count):
            total += naive_leaves(tables, tree)[0][naive_leaf(tables, tree, row)]
        scores.append(total * tables.scale + tables.bias)
    return scores


def naive_count_leaves(tables: TreeTables, matrix: NDArray[np.float32]) -> list[int]:
    counts: list[int] = []
    for tree in range(tables.tree_count):
        here = [0] * 2 ** int(tables.depths[tree])
        for row in matrix.tolist():
            here[naive_leaf(tables, tree, row)] += 1
        counts.extend(here)
    return counts


def naive_value_coalitions(tables: TreeTables, tree: int, row: Sequence[float], known: frozenset[int]) -> float:
    """v(known) of one tree: walk from the root (the last split) down, as the definition in score/model.py says."""
    splits = naive_splits(tables, tree)
    values, weights = naive_leaves(tables, tree)

    def walk(level: int, prefix: int) -> float:
        if level < 0:
            return values[prefix]
        feature = splits[level][0]
        if feature in known:
            return walk(level - 1, 2 * prefix + naive_answer(tables, splits[level], row))
        size = 2**level
        below = sum(weights[2 * prefix * size : (2 * prefix + 1) * size])
        above = sum(weights[(2 * prefix + 1) * size : (2 * prefix + 2) * size])
        if below + above == 0:
            below = above = 1.0
        low, high = walk(level - 1, 2 * prefix), walk(level - 1, 2 * prefix + 1)
        return (below * low + above * high) / (below + above)

    return walk(len(splits) - 1, 0)


def naive_build_records(tables: TreeTables, tree: int, row: Sequence[float]) -> dict[int, float]:
    """Shapley value of each feature of one tree, by the textbook sum over coalitions, unscaled."""
    features = sorted({feature for feature, _ in naive_splits(tables, tree)})
    k = len(features)
    shapley = {}
    for feature in features:
        others = [f for f in features if f != feature]
        total = 0.0
        for size in range(k):
            weight = math.factorial(size) * math.factorial(k - size - 1) / math.factorial(k)
            for coalition in combinations(others, size):
                known = frozenset(coalition)
                without = naive_value_coalitions(tables, tree, row, known)
                total += weight * (naive_value_coalitions(tables, tree, row, known | {feature}) - without)
        shapley[feature] = total
    return shapley


def naive_expected_log_odds(tables: TreeTables) -> float:
    row = [0.0] * tables.feature_count
    means = [naive_value_coalitions(tables, tree, row, frozenset()) for tree in range(tables.tree_count)]
    return sum(means) * tables.scale + tables.bias


def naive_explain_rows(tables: TreeTables, matrix: NDArray[np.float32]) -> tuple[list[float], list[list[float]]]:
    contributions = []
    for row in matrix.tolist():
        given = [0.0] * tables.feature_count
        for tree in range(tables.tree_count):
            for feature, value in naive_build_records(tables, tree, row).items():
                given[feature] += value * tables.scale
        contributions.append(given)
    return naive_score_rows(tables, matrix), contributions


def naive_total_contributions(tables: TreeTables, matrix: NDArray[np.float32]) -> list[float]:
    rows = naive_explain_rows(tables, matrix)[1]
    return [sum(row[f] for row in rows) for f in range(tables.feature_count)]


def naive_explain_row(
    tables: TreeTables, row: Sequence[float], families: Sequence[str]
) -> tuple[float, list[float], tuple[int, ...]]:
    raw_scores, contributions = naive_explain_rows(tables, np.array([row], dtype=np.float32))
    return raw_scores[0], contributions[0], naive_rank_rows(contributions, families)[0]


def naive_rank_rows(contributions: Sequence[Sequence[float]], families: Sequence[str]) -> list[tuple[int, ...]]:
    return [naive_rank_adverse(row, [0.0] * len(families), families, 4) for row in contributions]


def naive_explain_engine_1(tables: TreeTables, matrix: NDArray[np.float32]) -> tuple[list[float], list[list[float]]]:
    return naive_explain_rows(tables, matrix)


def naive_value_against_reference(
    tables: TreeTables, tree: int, row: Sequence[float], known: frozenset[int], reference: NDArray[np.float32]
) -> float:
    """Mean value of one tree over the reference rows, each with the row's own answer in every known feature."""
    values, _ = naive_leaves(tables, tree)
    total = 0.0
    for other in reference.tolist():
        mixed = [row[f] if f in known else other[f] for f in range(tables.feature_count)]
        total += values[naive_leaf(tables, tree, mixed)]
    return total / len(reference)


def naive_explain_against_reference(
    tables: TreeTables, row: Sequence[float], reference: NDArray[np.float32]
) -> tuple[float, list[float]]:
    """(expected score, contributions): Shapley values over all the model's features of the mean score of mixed rows."""

    def worth(known: frozenset[int]) -> float:
        trees = range(tables.tree_count)
        return sum(naive_value_against_reference(tables, tree, row, known, reference) for tree in trees) * tables.scale

    m = tables.feature_count
    given = []
    for feature in range(m):
        others = [f for f in range(m) if f != feature]
        total = 0.0
        for size in range(m):
            weight = math.factorial(size) * math.factorial(m - size - 1) / math.factorial(m)
            for coalition in combinations(others, size):
                known = frozenset(coalition)
                total += weight * (worth(known | {feature}) - worth(known))
        given.append(total)
    return worth(frozenset()) + tables.bias, given


def naive_fix_records(entries: Sequence[float], units: float) -> list[int]:
    """Whole units of one leaf's entries: differences of its rounded running sums."""
    sums = [0.0]
    for entry in entries:
        sums.append(sums[-1] + entry)
    rounded = [round(total * units) for total in sums]
    return [after - before for before, after in pairwise(rounded)]


def naive_estimate_pds(raw_scores: Sequence[float], slope: float, intercept: float) -> list[float]:
    pds = []
    for raw in raw_scores:
        log_odds = intercept + slope * raw
        pds.append(1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0)
    return pds
