"""Money, rates and days."""

import math
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit import units
from instant_credit.units import Cents, Ppm

amounts = st.integers(1, 10**10).map(Cents)
rates = st.integers(0, 1_000_000).map(Ppm)


def naive_balance_after(amount: int, apr: int, term: int, instalment: int) -> Fraction:
    balance = Fraction(amount)
    for _ in range(term):
        balance = balance * (1 + Fraction(apr, 12_000_000)) - instalment
    return balance


@given(amounts, rates, st.integers(1, 84))
def test_the_instalment_is_the_smallest_whole_cent_that_repays(amount: Cents, apr: Ppm, term: int) -> None:
    instalment = units.instalment_ceil(amount, apr, term)
    assert naive_balance_after(amount, apr, term, instalment) <= 0
    assert naive_balance_after(amount, apr, term, instalment - 1) > 0


def test_a_loan_without_interest_is_divided_rounding_up() -> None:
    assert units.instalment_ceil(Cents(1000), Ppm(0), 3) == 334


def test_a_term_below_one_month_is_refused() -> None:
    with pytest.raises(ValueError, match="term_months"):
        units.instalment_ceil(Cents(1000), Ppm(100_000), 0)


@given(st.integers(0, 10**12), st.integers(0, 10**6), st.integers(0, 10**6))
def test_an_expected_loss_is_rounded_up_to_the_next_cent(amount: int, pd: int, lost: int) -> None:
    loss = units.expected_loss_ceil(Cents(amount), Ppm(pd), Ppm(lost))
    assert (loss - 1) * 10**12 < amount * pd * lost <= loss * 10**12


@given(st.integers(-200_000, 200_000))
def test_days_and_dates_are_two_names_of_one_thing(days: int) -> None:
    assert units.days_from_date(units.date_from_days(days)) == days
    assert units.date_from_days(days) == date(1970, 1, 1) + timedelta(days=days)


@given(amounts, st.integers(1, 10**6).map(Cents))
def test_an_amount_is_floored_to_its_step(amount: Cents, step: Cents) -> None:
    floored = units.floor_to_step(amount, step)
    assert floored % step == 0
    assert amount - step < floored <= amount


@given(amounts, amounts, st.integers(1, 10**9).map(Cents))
def test_a_share_of_an_amount_is_rounded_down(amount: Cents, part: Cents, whole: Cents) -> None:
    share = units.prorate_floor(amount, part, whole)
    assert share * whole <= amount * part < (share + 1) * whole
    assert units.prorate_floor(amount, whole, whole) == amount


def test_a_rate_rounds_half_to_even() -> None:
    assert units.ppm_half_even(0.0000005) == 0
    assert units.ppm_half_even(0.0000015) == 2


def test_people_read_percent_and_money() -> None:
    assert units.percent_text(Ppm(123_456)) == "12.3%"
    assert units.money_text(Cents(1_234_567), "USD") == "USD 12,345.67"
    assert units.money_text(Cents(-5), "USD") == "USD -0.05"


@given(st.integers(-(10**12), 10**12), st.integers(1, 4))
def test_few_figures_are_kept(value: int, figures: int) -> None:
    rounded = units.round_figures(value, figures)
    assert isinstance(rounded, int)
    assert len(str(abs(rounded)).rstrip("0")) <= figures
    assert abs(rounded - value) <= 0.5 * 10 ** max(len(str(abs(value))) - figures, 0)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(0.0, 0.0), (1_234.0, 1_200.0), (0.0456, 0.046), (-98.7, -99.0), (7.0, 7.0), (math.inf, math.inf)],
)
def test_values_are_rounded_to_two_figures(value: float, rounded: float) -> None:
    assert units.round_figures(value, 2) == rounded
