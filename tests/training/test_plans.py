from datetime import date

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import Refused
from instant_credit.training.plans import (
    KIND_MIN,
    ByDate,
    ByFolds,
    ByShare,
    Wish,
    choose_plan,
    describe_parts,
    divide,
    is_dated,
)
from instant_credit.units import days_from_date
from tests.training.loans import invent_set

SET = invent_set()
UNDATED = msgspec.structs.replace(SET, days=np.full(SET.loans, 18_000, dtype=np.int32))


def test_a_dated_book_is_tested_on_the_last_fifth_of_its_loans():
    plan, told = choose_plan(SET, Wish())
    divided = divide(SET, plan)
    assert len(divided.test_rows) / SET.loans == pytest.approx(0.2, abs=0.01)
    assert SET.days[divided.fit_rows].max() < SET.days[divided.test_rows].min()
    assert str(plan.test_from) in told


def test_a_book_without_dates_is_tested_in_folds():
    plan, told = choose_plan(UNDATED, Wish())
    assert plan == ByFolds(folds=5)
    assert "no dates" in told
    assert not is_dated(UNDATED)


def test_fewer_folds_are_taken_where_five_would_be_too_small():
    few = msgspec.structs.replace(invent_set(300), days=np.full(300, 18_000, dtype=np.int32))
    plan, _ = choose_plan(few, Wish())
    assert 2 <= plan.folds < 5
    assert describe_parts(few, plan)


def test_days_of_one_month_are_no_dates():
    days = np.sort(18_000 + np.arange(SET.loans, dtype=np.int32) % 30)
    assert not is_dated(msgspec.structs.replace(SET, days=days))


def test_a_last_fifth_with_too_few_bad_loans_gives_way_to_folds():
    labels = SET.labels.copy()
    labels[-SET.loans // 4 :] = 0
    labels[-3:] = 1
    plan, told = choose_plan(msgspec.structs.replace(SET, labels=labels), Wish())
    assert isinstance(plan, ByFolds)
    assert f"fewer than {KIND_MIN}" in told


@given(st.floats(0.05, 0.5))
def test_a_share_by_date_is_as_near_as_whole_days_allow(share):
    plan, _ = choose_plan(SET, Wish(test_share=share))
    assert isinstance(plan, ByDate)
    got = len(divide(SET, plan).test_rows) / SET.loans
    largest_day = np.unique(SET.days, return_counts=True)[1].max() / SET.loans
    assert abs(got - share) <= largest_day


def test_loans_of_one_day_are_never_divided():
    days = np.repeat(np.arange(18_000, 19_000, 100, dtype=np.int32), SET.loans // 10)
    monthly = msgspec.structs.replace(SET, days=days)
    divided = divide(monthly, choose_plan(monthly, Wish(test_share=0.25))[0])
    assert not set(monthly.days[divided.test_rows]) & set(monthly.days[divided.fit_rows])


@given(st.floats(0.05, 0.5))
def test_a_share_without_dates_is_of_persons(share):
    persons = np.arange(SET.loans, dtype=np.int64) // 3
    loans = msgspec.structs.replace(UNDATED, persons=persons)
    plan, told = choose_plan(loans, Wish(test_share=share))
    assert isinstance(plan, ByShare)
    assert "persons" in told
    divided = divide(loans, plan)
    assert len(divided.test_rows) / loans.loans == pytest.approx(share, abs=0.01)
    assert not set(persons[divided.test_rows]) & set(persons[divided.fit_rows])
    assert sorted([*divided.test_rows, *divided.fit_rows]) == list(range(loans.loans))


def test_calibration_takes_more_months_where_they_hold_few_bad_loans():
    few = invent_set(1_200)
    months = choose_plan(few, Wish())[0].calibration_months
    assert months > 6
    assert choose_plan(few, Wish(calibration_months=3))[0].calibration_months == 3
    assert choose_plan(SET, Wish())[0].calibration_months == 6


def test_a_wish_is_followed():
    assert choose_plan(SET, Wish(folds=3))[0] == ByFolds(folds=3)
    day = date(2021, 7, 1)
    assert choose_plan(SET, Wish(test_from=day, calibration_months=4))[0] == ByDate(test_from=day, calibration_months=4)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"folds": 3, "test_share": 0.2}, "one of --test-from, --test-share and --folds"),
        ({"test_share": 0.9}, "between 0.05 and 0.5"),
        ({"test_share": float("nan")}, "between 0.05 and 0.5"),
    ],
)
def test_wishes_that_cannot_be_followed_are_refused(wish, words):
    with pytest.raises(Refused, match=words):
        Wish(**wish)


def test_a_part_tells_the_bad_rate_by_weight():
    weights = np.where(SET.labels == 1, 2.0, 6.0)
    part = describe_parts(msgspec.structs.replace(SET, weights=weights), ByFolds(folds=2))[0]
    bads = int(SET.labels.sum())
    assert part.bad_rate == pytest.approx(2 * bads / (2 * bads + 6 * (SET.loans - bads)))
    assert part.bads == bads


def test_by_share_every_fitted_loan_calibrates():
    divided = divide(UNDATED, ByShare(test_share=0.2))
    assert divided.calibrate_rows.tolist() == divided.fit_rows.tolist()
    assert days_from_date(describe_parts(UNDATED, ByShare(test_share=0.2))[2].first_on) == 18_000
