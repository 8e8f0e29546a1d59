"""Ranking of adverse reasons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant
from instant_credit.score.reasons import REASONS_MAX, rank_adverse
from tests.naive.reasons import naive_rank_adverse

Row = tuple[list[float], list[float], list[str]]

# Eighths add without rounding, so that equal sums are really equal.
EIGHTHS = st.integers(-16, 16).map(lambda i: i / 8)
ROWS = st.integers(1, 12).flatmap(
    lambda m: st.tuples(
        st.lists(EIGHTHS, min_size=m, max_size=m),
        st.lists(EIGHTHS, min_size=m, max_size=m),
        st.lists(st.sampled_from("abcde"), min_size=m, max_size=m),
    )
)


@given(ROWS, st.integers(1, 6))
def test_the_ranking_is_the_twins(row: Row, most: int) -> None:
    assert rank_adverse(*row, most=most) == naive_rank_adverse(*row, most)


@given(ROWS)
def test_every_reason_was_really_adverse_and_families_speak_once(row: Row) -> None:
    contributions, reference, families = row
    ranked = rank_adverse(contributions, reference, families)
    assert len(ranked) <= REASONS_MAX
    assert all(contributions[i] > reference[i] for i in ranked)
    assert len({families[i] for i in ranked}) == len(ranked)


@given(ROWS)
def test_a_row_above_the_reference_has_a_reason(row: Row) -> None:
    contributions, reference, families = row
    if sum(contributions) > sum(reference):
        assert rank_adverse(contributions, reference, families)


@given(ROWS)
def test_arrays_rank_as_lists_do(row: Row) -> None:
    assert rank_adverse(np.array(row[0]), np.array(row[1]), row[2]) == rank_adverse(*row)


def test_the_sum_of_a_family_decides_its_place() -> None:
    contributions = [0.5, 0.3, 0.3]
    assert rank_adverse(contributions, [0.0] * 3, ["income", "debt", "debt"]) == (1, 0)


def test_a_family_that_helped_on_the_whole_gives_no_reason() -> None:
    assert rank_adverse([0.5, -0.6, 0.1], [0.0] * 3, ["debt", "debt", "income"]) == (2,)


def test_a_variable_at_the_reference_gives_no_reason() -> None:
    assert rank_adverse([0.25, 0.5], [0.25, 0.5], ["debt", "income"]) == ()


def test_equal_sums_keep_the_order_of_the_variables() -> None:
    assert rank_adverse([0.5, 0.5, 0.5], [0.0] * 3, ["b", "a", "a"]) == (1, 0)
    assert rank_adverse([0.5, 0.5], [0.0] * 2, ["b", "a"]) == (0, 1)


def test_at_most_four_are_given() -> None:
    assert rank_adverse([0.1, 0.2, 0.3, 0.4, 0.5], [0.0] * 5, list("abcde")) == (4, 3, 2, 1)


@pytest.mark.parametrize(("reference", "families"), [([0.0], ["a", "b"]), ([0.0, 0.0], ["a"])])
def test_lengths_must_agree(reference: list[float], families: list[str]) -> None:
    with pytest.raises(BrokenInvariant, match="reference and family"):
        rank_adverse([0.1, 0.2], reference, families)
