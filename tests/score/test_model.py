"""The door of the compiled model: what it takes, what it refuses."""

import numpy as np
import pytest
from numpy.typing import NDArray

from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.score.model import (
    CompiledModel,
    compile_model,
    explain_row,
    explain_rows,
    leaf_counts,
    mean_contributions,
    rank_rows,
    score_rows,
)
from instant_credit.score.trees import TreeTables
from tests.score.forests import draw_rows, grow_tables
from tests.score.test_trees import fields


def model() -> CompiledModel:
    return compile_model(TreeTables(**fields()))


def test_a_hand_counted_row_scores_as_by_hand() -> None:
    """Tree 0 is worth 0; tree 1 asks 2.0 > 1.5: leaf 2; tree 2 asks code = -1: yes, 2.0 > -0.5: yes, leaf 6."""
    row = np.array([[2.0, -1.0]], dtype=np.float32)
    assert score_rows(model(), row).tolist() == [0.0 + 2.0 + 6.0]
    raw_scores, contributions = explain_rows(model(), row)
    assert raw_scores.tolist() == [8.0]
    assert model().expected_log_odds == 0.0 + 1.5 + 4.5
    assert contributions.tolist() == [[0.5 + 1.0, 0.5]]


def test_a_forest_of_single_leaves_is_a_constant() -> None:
    only = {**fields(), "depths": np.zeros(2, dtype=np.int32), "leaf_values": np.array([0.25, 1.5])}
    empty = np.zeros(0, dtype=np.int32)
    constant = compile_model(
        TreeTables(**{**only, "split_features": empty, "split_borders": empty, "leaf_weights": np.ones(2)})
    )
    rows = np.array([[np.nan, 0], [1, 2]], dtype=np.float32)
    raw_scores, contributions = explain_rows(constant, rows)
    assert constant.expected_log_odds == 1.75
    assert raw_scores.tolist() == score_rows(constant, rows).tolist() == [1.75, 1.75]
    assert not contributions.any()
    assert leaf_counts(constant, rows).tolist() == [2, 2]


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((1, 2)),
        np.zeros((1, 3), dtype=np.float32),
        np.zeros(2, dtype=np.float32),
        np.zeros((2, 2), dtype=np.float32).T[:, ::-1],
    ],
)
def test_another_kind_of_matrix_is_our_bug(matrix: NDArray[np.float32]) -> None:
    for ask in (score_rows, explain_rows, leaf_counts):
        with pytest.raises(BrokenInvariant, match="float32"):
            ask(model(), matrix)


@pytest.mark.parametrize("simd", [None, False])
@pytest.mark.parametrize(
    "row",
    [
        np.zeros(2),
        np.zeros(3, dtype=np.float32),
        np.zeros(1, dtype=np.float32),
        np.zeros((1, 2), dtype=np.float32),
        np.zeros(4, dtype=np.float32)[::2],
        [0.0, 0.0],
    ],
)
def test_another_kind_of_row_is_our_bug(row: NDArray[np.float32], simd: bool | None) -> None:
    with pytest.raises(BrokenInvariant, match=r"float32\[2\], contiguous"):
        explain_row(compile_model(TreeTables(**fields()), simd=simd), row)


def test_contributions_of_another_model_are_our_bug() -> None:
    with pytest.raises(BrokenInvariant, match=r"float64\[n, 2\]"):
        rank_rows(model(), np.zeros((1, 3)))


def test_each_variable_has_its_family() -> None:
    with pytest.raises(BrokenInvariant, match="one family"):
        compile_model(TreeTables(**fields()), families=["a"])


@pytest.mark.parametrize("times", [1e3, 1e300, 1.7e307])
def test_leaf_values_beyond_exact_sums_are_refused(times: float) -> None:
    given = fields()
    with pytest.raises(Refused, match="leaf values are too large"):
        compile_model(TreeTables(**{**given, "leaf_values": given["leaf_values"] * times}))


def test_no_rows_give_no_scores() -> None:
    none = np.zeros((0, 2), dtype=np.float32)
    raw_scores, contributions = explain_rows(model(), none)
    assert raw_scores.shape == score_rows(model(), none).shape == (0,)
    assert contributions.shape == (0, 2)


def test_read_only_rows_are_taken() -> None:
    rows = np.ones((3, 2), dtype=np.float32)
    rows.flags.writeable = False
    assert len(score_rows(model(), rows)) == len(explain_rows(model(), rows)[0]) == 3


@pytest.mark.parametrize(
    "counts",
    [
        np.zeros(7, dtype=np.int64),
        np.ones(7, dtype=np.int64),
        np.array([2, 1, 1, 1, 1, 0, -0], dtype=np.int32),
        np.array([2, 1, 1, 3, -1, 0, 0], dtype=np.int64),
        np.array([2, 1, 1, 2, 0, 0], dtype=np.int64),
    ],
)
def test_counts_that_no_population_has_are_refused(counts: NDArray[np.int64]) -> None:
    for ask in (mean_contributions, lambda other, found: compile_model(other.tables, found)):
        with pytest.raises(Refused, match="leaf counts"):
            ask(model(), counts)


def test_counts_of_two_books_add_up_to_the_counts_of_both() -> None:
    rng = np.random.default_rng(3)
    compiled = compile_model(grow_tables(rng, 5, 6, 5))
    rows = draw_rows(rng, compiled.tables, 300)
    apart = leaf_counts(compiled, rows[:101]) + leaf_counts(compiled, rows[101:])
    assert np.array_equal(apart, leaf_counts(compiled, rows))
