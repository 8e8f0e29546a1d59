"""Columns of days in the forms that lenders write."""

from datetime import date, timedelta

import polars as pl
import pytest

from instant_credit.training.drafting.reading.days import Days, find_days
from instant_credit.training.drafting.reading.profile import Column

FIRST_ON = date(2003, 1, 9)
DAYS = [FIRST_ON + timedelta(days=37 * one) for one in range(90)]


def find(name: str, texts: list[str | None]) -> Days | None:
    return find_days(Column(name, pl.Series(texts, dtype=pl.String), 0))


@pytest.mark.parametrize(
    "layout",
    [
        *("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d", "%y%m%d", "%d-%b-%y"),
        *("%d-%b-%Y", "%d%b%Y", "%d %B %Y", "%B %d, %Y", "%d/%m/%Y %H:%M", "%m/%d/%y"),
    ],
)
def test_a_form_of_days_is_found_and_read(layout: str) -> None:
    found = find("issued on", [one.strftime(layout) for one in DAYS])
    assert found is not None
    assert found.format == layout
    assert (found.first_on, found.last_on) == (DAYS[0], DAYS[-1])
    assert not found.unread


@pytest.mark.parametrize("layout", ["%b-%Y", "%b-%y", "%m/%Y", "%Y-%m", "%Y%m", "%B %Y"])
def test_a_form_of_months_is_read_as_their_first_day(layout: str) -> None:
    found = find("issue_d", [one.strftime(layout) for one in DAYS])
    assert found is not None
    assert found.first_on == date(2003, 1, 1)


@pytest.mark.parametrize(("name", "origin"), [("sas", date(1960, 1, 1)), ("excel", date(1899, 12, 30))])
def test_day_numbers_are_read_with_a_doubt_and_by_name_only(name: str, origin: date) -> None:
    texts: list[str | None] = [str((one - origin).days) for one in DAYS]
    found = find("ApprovalDate", texts)
    assert found is not None
    assert found.format == name
    assert found.first_on == FIRST_ON
    assert "whole numbers" in found.doubts[0]
    assert find("balance", texts) is None


def test_days_that_no_day_tells_apart_are_a_doubt() -> None:
    found = find("date", ["01/02/2003", "03/04/2005", "11/12/2009", None, "?"])
    assert found is not None
    assert "%d/%m/%Y or %m/%d/%Y" in found.doubts[0]


def test_a_few_cells_that_are_no_days_are_counted() -> None:
    found = find("date", [*(one.isoformat() for one in DAYS), "yesterday"])
    assert found is not None
    assert found.unread == 1


@pytest.mark.parametrize("texts", [["100", "200", "300"], ["a", "b"], ["A11", "A12"], ["1-2", "3-4"], ["99999999"]])
def test_what_is_no_day_is_none(texts: list[str | None]) -> None:
    assert find("code", texts) is None
