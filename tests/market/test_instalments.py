"""Instalments of many loans are those of one."""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant
from instant_credit.market.instalments import AMOUNT_MAX, Offers, find_instalments, offer_as_asked
from instant_credit.units import Cents, Ppm, instalment_ceil
from tests.budget import examples
from tests.market.lending import WORLD, draw_all

prices = st.sampled_from([0, 1, 79_900, 150_000, 1_000_000]) | st.integers(0, 1_000_000)
any_terms = st.tuples(st.integers(1, AMOUNT_MAX - 1), prices, st.integers(1, 84))
# What a product asks for. No instalment of these is a whole cent by itself unless the apr is 0.
usual_terms = st.tuples(st.integers(10_000, 10_000_000), prices, st.integers(6, 84))


def find_exactly(amount: int, apr: int, term: int) -> int:
    if apr == 0:
        return -(-amount // term)
    monthly = Fraction(apr, 12_000_000)
    growth = (1 + monthly) ** term
    return ceil(amount * monthly * growth / (growth - 1))


def to_offers(loans: list[tuple[int, int, int]]) -> Offers:
    amounts, aprs, terms = (np.array(column, dtype=np.int64) for column in zip(*loans, strict=True))
    return Offers(amounts, aprs, terms)


@examples(50)
@given(st.lists(any_terms, min_size=1, max_size=20))
def test_instalments_are_exact(loans: list[tuple[int, int, int]]) -> None:
    assert find_instalments(to_offers(loans)).tolist() == [find_exactly(*loan) for loan in loans]


@examples(50)
@given(st.lists(usual_terms, min_size=1, max_size=20))
def test_instalments_of_many_are_to_the_cent_those_of_one(loans: list[tuple[int, int, int]]) -> None:
    expected = [instalment_ceil(Cents(amount), Ppm(apr), term) for amount, apr, term in loans]
    assert find_instalments(to_offers(loans)).tolist() == expected


def test_a_whole_instalment_is_not_rounded_up() -> None:
    assert find_instalments(to_offers([(120_000, 0, 12), (120_001, 0, 12)])).tolist() == [10_000, 10_001]


@pytest.mark.parametrize(
    ("loan", "message"),
    [
        ((0, 1, 12), "an amount lies"),
        ((AMOUNT_MAX, 1, 12), "an amount lies"),
        ((1, -1, 12), "an apr lies"),
        ((1, 1_000_001, 12), "an apr lies"),
        ((1, 1, 0), "a term lies"),
        ((1, 1, 85), "a term lies"),
    ],
)
def test_terms_beyond_the_bounds_are_refused(loan: tuple[int, int, int], message: str) -> None:
    with pytest.raises(BrokenInvariant, match=message):
        find_instalments(to_offers([loan]))


def test_of_nothing_there_are_no_instalments() -> None:
    applicants, _ = draw_all(WORLD, 30_000)
    assert not len(find_instalments(offer_as_asked(applicants, Ppm(1)).take(slice(0, 0))))
