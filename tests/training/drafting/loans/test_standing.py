"""How a column stands to the outcome: groups, directions, and what is safer when it is missing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from instant_credit.training.drafting.loans.standing import Group, Standing, measure_number
from tests.budget import examples

ROWS = 4_000


def invent(values: NDArray[np.float64], rates: NDArray[np.float64], seed: int = 5) -> Standing:
    labels = (np.random.default_rng(seed).random(len(values)) < rates).astype(np.int8)
    return measure_number(values, labels)


def count_like(seed: int = 4) -> NDArray[np.float64]:
    return np.minimum(np.random.default_rng(seed).geometric(0.7, ROWS) - 1, 8).astype(np.float64)


def test_where_most_rows_are_zero_zero_is_held_against_the_rest() -> None:
    counts = count_like()
    standing = invent(counts, 0.05 + 0.1 * np.minimum(counts, 3))
    assert standing.floor == 0
    assert standing.groups[0].rows == int((counts == 0).sum())
    assert standing.tendency is not None
    assert "at 0, above it" in standing.tendency
    assert 'consider "increasing"' in standing.tendency
    assert standing.strong_direction == "increasing"


def test_a_number_spread_evenly_is_cut_into_quarters() -> None:
    values = np.random.default_rng(1).normal(0, 1, ROWS)
    standing = invent(values, np.where(values > 0, 0.05, 0.2))
    assert standing.floor is None
    assert len(standing.groups) == 4
    assert standing.tendency is not None
    assert "by quarter" in standing.tendency


def test_a_flag_is_cut_into_its_two_values() -> None:
    flags = (np.arange(ROWS) % 10 > 0).astype(np.float64)
    standing = invent(flags, np.where(flags == 1, 0.05, 0.3))
    assert [group.rows for group in standing.groups] == [400, 3_600]
    assert standing.strong_direction == "decreasing"


def test_a_step_back_or_a_difference_by_chance_is_no_strong_direction() -> None:
    bent = Standing(groups=tuple(Group(rows=1_000, rate=one) for one in (0.05, 0.2, 0.1, 0.3)))
    faint = Standing(groups=(Group(rows=60, rate=0.1), Group(rows=60, rate=0.2)))
    flat = Standing(groups=tuple(Group(rows=100_000, rate=one) for one in (0.1, 0.11, 0.12)))
    assert [one.strong_direction for one in (bent, faint, flat)] == [None, None, None]


def test_missing_is_safer_only_clearly_and_where_it_is_not_the_rule() -> None:
    told, safer = Group(rows=3_000, rate=0.2), Group(rows=1_000, rate=0.05)
    assert Standing(told=told, missing=safer).is_missing_safer
    assert not Standing(told=told, missing=Group(rows=1_000, rate=0.19)).is_missing_safer
    assert not Standing(told=told, missing=Group(rows=31, rate=0.1)).is_missing_safer
    assert not Standing(told=safer, missing=Group(rows=3_000, rate=0.0)).is_missing_safer
    assert not Standing(told=told).is_missing_safer


@examples(80)
@given(
    arrays(np.float64, st.integers(0, 400), elements=st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 7.5, np.nan])),
    st.integers(0, 9),
)
def test_groups_hold_each_told_row_at_most_once_and_their_rates_are_those_of_the_rows(
    values: NDArray[np.float64], seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(-1, 2, len(values)).astype(np.int8)
    standing = measure_number(values, labels)
    is_told = ~np.isnan(values) & (labels >= 0)
    assert sum(group.rows for group in standing.groups) <= int(is_told.sum())
    assert all(0 <= group.rate <= 1 for group in standing.groups)
    if standing.floor is not None:
        own = is_told & (values == standing.floor)
        assert standing.groups[0] == Group(rows=int(own.sum()), rate=float(labels[own].mean()))
