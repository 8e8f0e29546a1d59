"""Which numbers and texts are taken for missing, and which are not."""

import polars as pl
import pytest

from instant_credit.training.drafting.reading.missing import find_codes, find_missing_texts
from instant_credit.training.drafting.reading.profile import Column
from tests.training.drafting.drafts import guess


def codes(values: list[float]) -> set[float]:
    return set(find_codes([(float(one), 10) for one in sorted(values)])[0])


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ([*range(18), 96, 98], {96, 98}),
        ([-9, -8, -7, *range(200)], {-9, -8, -7}),
        ([-9, *range(9)], {-9}),
        ([-1, *range(40)], {-1}),
        ([-99, 1.5, 2.5, 3.5], {-99}),
        ([-999, *range(0, 5000, 7)], {-999}),
        ([*range(28), 999], {999}),
        ([*range(40), 99], {99}),
        ([*range(120, 850), 9999], {9999}),
    ],
)
def test_numbers_that_stand_apart_are_missing(values: list[float], missing: set[float]) -> None:
    assert codes(values) == missing


@pytest.mark.parametrize(
    "values",
    [
        [-2, -1, *range(9)],
        [-1, 0, 1],
        [*range(100)],
        [*range(60), 96, 98],
        [-5000, -1, 0, 300],
        [-1, -2],
        [99],
        [0, 1],
        [*range(0, 2000, 3), 999],
    ],
)
def test_levels_ages_and_amounts_are_no_codes(values: list[float]) -> None:
    assert not codes(values)


def test_a_lone_number_far_above_all_others_is_a_doubt() -> None:
    assert "365243" in find_codes([(-900.0, 40), (-30.0, 50), (-1.0, 9), (365243.0, 20)])[1][0]


def test_texts_among_numbers_are_missing_and_counted() -> None:
    found = guess("income", ["NA"] * 3 + ["?"] + [str(one) for one in range(1000, 1100)])
    assert {(text, rows) for text, rows, _ in found.missing.texts} == {("NA", 3), ("?", 1)}
    assert found.told == 100


def test_none_is_a_value_of_a_category() -> None:
    column = Column("guarantor", pl.Series(["none", "co-applicant", "?", "n/a"]), 0)
    assert {text for text, _, _ in find_missing_texts(column).texts} == {"?", "n/a"}


def test_a_state_called_na_is_a_state() -> None:
    texts = ["NA", *(f"{one}{two}" for one in "ABCDE" for two in "KLMNO")]
    assert not find_missing_texts(Column("state", pl.Series(texts), 0)).texts
