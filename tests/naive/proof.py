"""Slow twin of score/proof.py: every row that a tree can tell apart, one by one."""

import math
from itertools import pairwise, product

import numpy as np

from instant_credit.application.product import Direction
from instant_credit.score.trees import TreeTables
from tests.naive.trees import naive_leaf, naive_leaves, naive_splits

OTHER_CODE = 249.0


def naive_values(tables: TreeTables, tree: int, feature: int) -> list[float]:
    """One value for each way to answer this tree's questions about `feature`, in rising order; missing where it stands."""
    borders = sorted({border for f, border in naive_splits(tables, tree) if f == feature})
    if tables.is_category[feature]:
        return [*borders, OTHER_CODE]
    if tables.code_ranks and tables.code_ranks[feature]:
        return [float(code) for code in range(-1, len(tables.code_ranks[feature]) - 1)]
    values = [*borders, float(np.nextafter(np.float32(borders[-1]), np.float32(np.inf)))]
    return [*values, math.nan] if tables.nan_is_above[feature] else [math.nan, *values]


def naive_rows(tables: TreeTables, tree: int) -> list[dict[int, float]]:
    """Every row that this tree can tell from another, as values by feature."""
    features = sorted({f for f, _ in naive_splits(tables, tree)})
    each = [naive_values(tables, tree, f) for f in features]
    return [dict(zip(features, values, strict=True)) for values in product(*each)]


def naive_value(tables: TreeTables, tree: int, row: dict[int, float]) -> float:
    filled = [row.get(f, 0.0) for f in range(tables.feature_count)]
    return naive_leaves(tables, tree)[0][naive_leaf(tables, tree, filled)]


def naive_reachable(tables: TreeTables, tree: int) -> dict[int, float]:
    """Value by leaf of the leaves that some row falls into."""
    rows = [[row.get(f, 0.0) for f in range(tables.feature_count)] for row in naive_rows(tables, tree)]
    values = naive_leaves(tables, tree)[0]
    return {leaf: values[leaf] for leaf in (naive_leaf(tables, tree, row) for row in rows)}


def naive_direction_faults(tables: TreeTables, directions: list[Direction]) -> dict[tuple[int, int], float]:
    """By tree and variable: the worst step the wrong way from one value of the variable to the next, all else fixed."""
    faults: dict[tuple[int, int], float] = {}
    for tree in range(tables.tree_count):
        for f in sorted({f for f, _ in naive_splits(tables, tree)}):
            if directions[f] is Direction.FREE:
                continue
            sign = 1.0 if directions[f] is Direction.INCREASING else -1.0
            values = naive_values(tables, tree, f)
            for row in naive_rows(tables, tree):
                for low, high in pairwise(values):
                    before, after = (naive_value(tables, tree, {**row, f: value}) for value in (low, high))
                    if sign * (after - before) < 0.0:
                        by = -(sign * (after - before)) * tables.scale
                        faults[tree, f] = max(faults.get((tree, f), 0.0), by)
    return faults
