from datetime import date

import numpy as np
import pytest

from instant_credit.training.report.vintages import VINTAGES_MAX, find_vintages, take_vintages
from instant_credit.units import days_from_date


def _days(*dates):
    return np.array([days_from_date(day) for day in dates], dtype=np.int32)


@pytest.mark.parametrize(
    ("last", "first_name", "last_name"),
    [
        (date(2021, 8, 31), "2020-01", "2021-08"),
        (date(2021, 9, 1), "2020 Q1", "2021 Q3"),
        (date(2024, 12, 31), "2020 Q1", "2024 Q4"),
        (date(2025, 1, 1), "2020", "2025"),
    ],
)
def test_the_grain_is_the_finest_that_makes_few_vintages(last, first_name, last_name):
    days = np.arange(days_from_date(date(2020, 1, 1)), days_from_date(last) + 1, dtype=np.int32)
    vintages = find_vintages(days)
    assert (vintages.names[0], vintages.names[-1]) == (first_name, last_name)
    assert vintages.count <= VINTAGES_MAX
    assert sorted(vintages.names) == list(vintages.names)


def test_a_loan_lies_in_the_vintage_of_its_day():
    vintages = find_vintages(_days(date(2010, 3, 31), date(2010, 4, 1), date(2013, 12, 31)))
    assert [vintages.names[code] for code in vintages.codes] == ["2010-03", "2010-04", "2013-12"]


def test_days_before_1970_have_vintages():
    assert find_vintages(_days(date(1969, 12, 31))).names == ("1969-12",)


def test_a_book_of_one_day_has_one_vintage():
    assert find_vintages(np.full(9, 100, dtype=np.int32)).count == 1


def test_taking_rows_leaves_no_empty_vintage():
    vintages = find_vintages(_days(date(2020, 1, 1), date(2020, 2, 1), date(2020, 3, 1)))
    taken = take_vintages(vintages, np.array([0, 2]))
    assert taken.names == ("2020-01", "2020-03")
    assert taken.codes.tolist() == [0, 1]
