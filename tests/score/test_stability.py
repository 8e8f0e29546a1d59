"""A small change of a row moves its reasons as little as the trees do."""

from itertools import pairwise

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from instant_credit.score.model import CompiledModel, compile_model, explain_rows, leaf_counts, rank_rows
from instant_credit.score.trees import TreeTables
from tests.budget import examples
from tests.naive.trees import naive_leaves, naive_splits
from tests.score.forests import Forest, draw_rows, forests

# What an entry of a leaf's contributions is rounded to; see docs/adr/0011.
UNIT = 2.0**-44


def against_reference(forest: Forest) -> CompiledModel:
    """The model with its contributions against 20 rows by chance."""
    tables = forest[0]
    rows = draw_rows(np.random.default_rng(1), tables, 20)
    return compile_model(tables, leaf_counts(compile_model(tables), rows))


def borders_of(tables: TreeTables, f: int) -> list[float]:
    return tables.borders[tables.border_offsets[f] : tables.border_offsets[f + 1]].tolist()


def within_its_bin(tables: TreeTables, f: int, value: float, chance: np.random.Generator) -> float:
    """Another value that gives the same answers to every question about a number."""
    borders = [-np.inf, *borders_of(tables, f), np.inf]
    if np.isnan(value):
        return value
    place = int(np.searchsorted(borders[1:-1], value))
    low, high = max(borders[place], -1e6), min(borders[place + 1], 1e6)
    return float(chance.choice([high, np.nextafter(np.float32(low), np.float32(np.inf)), (low + high) / 2]))


@examples(60)
@given(forests(rows_max=8, depth_max=6), st.integers(0, 2**32 - 1))
def test_values_in_the_same_bins_score_and_explain_the_same(forest: Forest, seed: int) -> None:
    tables, matrix = forest
    model, chance = against_reference(forest), np.random.default_rng(seed)
    moved = matrix.copy()
    for f in np.flatnonzero(~tables.is_category).tolist():
        moved[:, f] = [within_its_bin(tables, f, value, chance) for value in matrix[:, f].tolist()]
    before, after = explain_rows(model, matrix), explain_rows(model, moved)
    assert [a.tobytes() for a in before] == [a.tobytes() for a in after]
    assert rank_rows(model, before[1]) == rank_rows(model, after[1])


def swing(tables: TreeTables, tree: int, bit: int) -> float:
    """How far the tree's value can move when the answer `bit` turns, over all that the other answers may be: from most to least."""
    values = naive_leaves(tables, tree)[0]
    moves = [values[leaf | 1 << bit] - values[leaf] for leaf in range(len(values)) if not leaf >> bit & 1]
    return (max(moves) - min(moves)) * tables.scale


@examples(120)
@given(forests(rows_max=1, depth_max=5), st.data())
def test_a_border_crossed_moves_other_contributions_only_through_trees_that_ask_about_it(
    forest: Forest, data: st.DataObject
) -> None:
    """And by no more than the crossing can be worth there, more in one place than in another.

    A variable's contribution averages what it adds to coalitions. Where a tree asks once about the border, turning its answer
    changes each coalition that knows the variable by an amount between the tree's least and greatest move; so what another
    variable adds changes by at most the difference of these.
    """
    tables, matrix = forest
    assume(len(matrix) == 1)
    f = data.draw(st.sampled_from(range(tables.feature_count)))
    assume(not tables.is_category[f] and borders_of(tables, f))
    border = data.draw(st.sampled_from(borders_of(tables, f)))
    asking: dict[int, list[int]] = {}
    for tree in range(tables.tree_count):
        bits = [bit for bit, split in enumerate(naive_splits(tables, tree)) if split == (f, border)]
        if bits:
            asking[tree] = bits
    assume(all(len(bits) == 1 for bits in asking.values()))
    rows = np.repeat(matrix, 2, axis=0)
    rows[:, f] = border, np.nextafter(np.float32(border), np.float32(np.inf))
    before, after = explain_rows(against_reference(forest), np.ascontiguousarray(rows))[1]
    for g in range(tables.feature_count):
        sharing = {t: bits[0] for t, bits in asking.items() if any(split[0] == g for split in naive_splits(tables, t))}
        if g == f:
            continue
        if not sharing:
            assert before[g] == after[g]
        bound = sum(swing(tables, tree, bit) for tree, bit in sharing.items())
        rounding = 2 * UNIT * len(sharing)
        assert abs(after[g] - before[g]) <= bound + rounding + 1e-12


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=6), st.data())
def test_equal_reasons_keep_the_order_of_the_variables(steps: list[int], data: st.DataObject) -> None:
    contributions: NDArray[np.float64] = np.array([steps], dtype=np.float64) / 8
    tables = wide_tables(len(steps))
    families = data.draw(
        st.one_of(st.none(), st.lists(st.sampled_from("abc"), min_size=len(steps), max_size=len(steps)))
    )
    ranked = rank_rows(compile_model(tables, families=families), contributions)[0]
    names = [str(i) for i in range(len(steps))] if families is None else families
    sums = {name: sum(s for s, own in zip(steps, names, strict=True) if own == name) for name in names}
    for first, second in pairwise(ranked):
        assert sums[names[first]] >= sums[names[second]]
        if sums[names[first]] == sums[names[second]]:
            assert first < second
    for i in ranked:
        assert all(steps[i] > steps[j] for j in range(i) if names[j] == names[i])


def wide_tables(features: int) -> TreeTables:
    """One leaf, and as many variables as asked for."""
    return TreeTables(
        is_category=np.zeros(features, dtype=np.bool_),
        nan_is_above=np.zeros(features, dtype=np.bool_),
        border_offsets=np.zeros(features + 1, dtype=np.int32),
        borders=np.empty(0, dtype=np.float32),
        depths=np.zeros(1, dtype=np.int32),
        split_features=np.empty(0, dtype=np.int32),
        split_borders=np.empty(0, dtype=np.int32),
        leaf_values=np.zeros(1),
        leaf_weights=np.ones(1),
    )
