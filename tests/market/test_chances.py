"""Chance by counting is the same for one and for many."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant
from instant_credit.market.chances import EXPONENTIAL, LOGISTIC, NORMAL, Curve, Stream, draw_halves, draw_uniforms
from instant_credit.market.world import NUMBER_MAX, World
from tests.budget import examples

numbers_of = st.lists(st.integers(0, 500) | st.integers(0, NUMBER_MAX - 1), min_size=1, max_size=12)


@examples(30)
@given(numbers_of, st.sampled_from(list(Stream)), st.integers(0, 3), st.integers(0, 3))
def test_a_block_is_the_same_alone_and_among_others(
    drawn: list[int], stream: Stream, seed: int, hidden_seed: int
) -> None:
    world = World(seed=seed, hidden_seed=hidden_seed)
    together = draw_halves(world, stream, np.array(drawn, dtype=np.int64))
    for row, number in enumerate(drawn):
        assert together[row].tobytes() == draw_halves(world, stream, np.array([number], dtype=np.int64))[0].tobytes()


def test_streams_seeds_and_hidden_seeds_draw_different_blocks() -> None:
    number = np.array([7], dtype=np.int64)
    worlds = [World(seed=1), World(seed=2), World(seed=1, hidden_seed=1)]
    blocks = [draw_halves(world, stream, number)[0, :8].tobytes() for world in worlds for stream in Stream]
    # What may be observed does not depend on the hidden seed.
    assert len(set(blocks)) == len(blocks) - 3


def test_neighbouring_blocks_share_no_words() -> None:
    for stream in Stream:
        halves = draw_halves(World(seed=1), stream, np.arange(50, dtype=np.int64))
        words = np.ascontiguousarray(halves).view(np.uint64)
        assert len(np.unique(words)) == words.size


def test_uniform_numbers_lie_strictly_between_0_and_1_and_are_uniform() -> None:
    drawn = draw_uniforms(World(seed=3), Stream.PERSON, np.arange(20_000, dtype=np.int64))
    assert drawn.shape == (24, 20_000)
    assert 0 < drawn.min() < drawn.max() < 1
    counts = np.histogram(drawn, bins=50, range=(0, 1))[0]
    expected = drawn.size / 50
    assert ((counts - expected) ** 2 / expected).sum() < 100  # 49 degrees of freedom; 85 is beyond 99.9%
    assert np.abs(np.corrcoef(drawn) - np.eye(24)).max() < 0.035


def test_a_number_beyond_the_bounds_is_refused() -> None:
    for number in (-1, NUMBER_MAX):
        with pytest.raises(BrokenInvariant, match="beyond its bounds"):
            draw_uniforms(World(seed=1), Stream.LOAN, np.array([number], dtype=np.int64))


def test_of_nobody_nothing_is_drawn() -> None:
    assert draw_uniforms(World(seed=1), Stream.LOAN, np.empty(0, dtype=np.int64)).shape == (8, 0)


def test_curves_are_what_they_stand_for() -> None:
    at = np.linspace(-7.9, 11.9, 997)
    assert np.allclose(EXPONENTIAL.read(at), np.exp(at), rtol=1e-5)
    assert np.allclose(LOGISTIC.read(at), 1 / (1 + np.exp(-at)), atol=1e-6)
    normal = NORMAL.read(np.linspace(0.5 / 200_000, 1 - 0.5 / 200_000, 200_000))
    assert abs(normal.mean()) < 1e-9
    assert normal.std() == pytest.approx(1, abs=2e-3)


def test_a_curve_goes_on_as_it_ends_and_gives_one_as_many() -> None:
    curve = Curve(math.exp, 0.0, 1.0)
    at = np.array([-5.0, 0.0, 0.3, 1.0, 9.0])
    read = curve.read(at)
    assert read[0] == read[1] == 1.0
    assert read[3] == read[4] == math.e
    assert [curve.read(at[place : place + 1])[0] for place in range(5)] == read.tolist()
