from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.training.tapes.cells import Unreadable, cell_text, read_cents, read_day, read_real, read_whole


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, None), ("", None), ("  ", None), (float("nan"), None), (b" ", None),
        (36, "36"), (36.0, "36"), ("36.0", "36"), (" 36 ", "36"), (Decimal("36.00"), "36"), ("-3.0", "-3"),
        (0.5, "0.5"), ("0.50", "0.50"), (Decimal("0.5"), "0.5"), (True, "true"), (False, "false"), (b"x", "x"), (float("inf"), "inf"),
        (date(2011, 1, 1), "2011-01-01"), (datetime(2011, 1, 1, tzinfo=UTC), "2011-01-01"), (datetime(2011, 1, 1, 5, tzinfo=UTC), "2011-01-01T05:00:00+00:00"),
        ("v1.0", "v1.0"), (Decimal("NaN"), "NaN"),
    ],
)  # fmt: skip
def test_a_cell_has_one_text_whatever_its_type(cell, text):
    assert cell_text(cell) == text


@given(st.integers(-(10**13), 10**13))
def test_every_amount_is_read_exactly(cents):
    sign, whole, part = "-" if cents < 0 else "", abs(cents) // 100, abs(cents) % 100
    assert read_cents(f"{sign}{whole}.{part:02d}", 100) == cents
    assert read_cents(str(cents), 1) == cents


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_every_float_is_read_as_itself(real):
    assert read_real(repr(real), 1.0) == real


@given(st.text(max_size=60))
def test_any_text_is_read_or_unreadable_and_never_raises(text):
    for read in (
        lambda t: read_cents(t, 100),
        read_whole,
        lambda t: read_real(t, 100.0),
        lambda t: read_day(t, "%b-%Y"),
    ):
        found = read(text)
        assert not isinstance(found, Unreadable) or len(text) < 6 or text not in found.reason


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1,000", "NUMBER_EXPECTED"), ("$5", "NUMBER_EXPECTED"), ("ten", "NUMBER_EXPECTED"), ("inf", "NUMBER_EXPECTED"),
        ("1e999", "NUMBER_TOO_LARGE"), ("99999999999999999", "NUMBER_TOO_LARGE"), ("9" * 50, "NUMBER_EXPECTED"), ("2e15", "NUMBER_TOO_LARGE"),
        ("٣", "NUMBER_EXPECTED"),
    ],
)  # fmt: skip
def test_a_wrong_amount_says_what_is_expected(text, code):
    found = read_cents(text, 100)
    assert isinstance(found, Unreadable)
    assert found.code == code


def test_amounts_are_rounded_half_to_even():
    assert [read_cents(text, 100) for text in ("0.005", "0.015", "0.025", "0.0251")] == [0, 2, 2, 3]


def test_whole_numbers_and_days_are_strict():
    assert read_whole("3.00") == 3
    assert read_whole("3.5") == Unreadable("WHOLE_NUMBER_EXPECTED", "expected a whole number")
    assert read_day("2011-12-01", "%b-%Y") == date(2011, 12, 1)
    assert read_day("2011-12-01T05:00:00", "%b-%Y") == date(2011, 12, 1)
    assert read_day("Dec-2011", "%b-%Y") == date(2011, 12, 1)
    assert isinstance(read_day("2011-13-01", "%b-%Y"), Unreadable)
    assert isinstance(read_real("1e15", 1e-320), Unreadable)


@pytest.mark.parametrize(
    ("text", "layout", "day"),
    [
        ("930705", "%y%m%d", date(1993, 7, 5)),
        ("50102", "%y%m%d", date(2005, 1, 2)),
        ("102", "%y%m%d", date(2000, 1, 2)),
        ("20090131", "%Y%m%d", date(2009, 1, 31)),
        ("200901", "%Y%m", date(2009, 1, 1)),
        ("Jan-09", "%b-%y", date(2009, 1, 1)),
        ("2/28/1997 0:00", "%m/%d/%Y %H:%M", date(1997, 2, 28)),
        ("14370", "sas", date(1999, 5, 6)),
        ("-1", "sas", date(1959, 12, 31)),
        ("36526", "excel", date(2000, 1, 1)),
        ("2011-01-01T05:00:00", "sas", date(2011, 1, 1)),
    ],
)
def test_days_are_read_from_texts_digits_and_day_numbers(text, layout, day):
    assert read_day(text, layout) == day


@pytest.mark.parametrize(
    ("text", "layout", "code"),
    [
        ("9307055", "%y%m%d", "DATE_EXPECTED"),
        ("93070x", "%y%m%d", "DATE_EXPECTED"),
        ("931305", "%y%m%d", "DATE_EXPECTED"),
        ("1.5", "sas", "WHOLE_NUMBER_EXPECTED"),
        ("99999999999", "excel", "DATE_EXPECTED"),
        ("soon", "excel", "NUMBER_EXPECTED"),
    ],
)
def test_a_day_that_is_none_says_what_is_expected(text, layout, code):
    found = read_day(text, layout)
    assert isinstance(found, Unreadable)
    assert found.code == code


@given(st.dates(date(1970, 1, 1), date(2068, 12, 31)))
def test_a_day_written_as_a_whole_number_is_read_as_itself(day):
    assert read_day(str(int(day.strftime("%y%m%d"))), "%y%m%d") == day
