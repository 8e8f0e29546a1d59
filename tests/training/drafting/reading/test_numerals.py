"""How a column writes its numbers, and which of point and comma is its decimal sign."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.training.drafting.guessing.guess import Use
from instant_credit.training.drafting.reading.numerals import DecimalSign, choose_decimal, find_numerals
from tests.budget import examples
from tests.training.drafting.drafts import draft


def read(texts: list[str], of_file: DecimalSign = ".") -> list[float]:
    numerals = find_numerals([(text, 1) for text in texts], of_file)
    return [numerals.read(text) for text in texts]


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["0,804", "-1,141"], [0.804, -1.141]),
        (["13.218,32 €", "95,67 €"], [13218.32, 95.67]),
        (["1,234", "12,5"], [1.234, 12.5]),
        (["1,234", "1234,567"], [1.234, 1234.567]),
        (["1.234", "1.234.567"], [1234, 1234567]),
        (["0.804", "-1.141"], [0.804, -1.141]),
        (["1,234.50", "95.67", "1,000"], [1234.5, 95.67, 1000]),
        (["1,234", "12,345,678"], [1234, 12345678]),
        (["1,234", "5,678"], [1234, 5678]),
        (["1.234", "5.678"], [1.234, 5.678]),
        (["$1,234", "$0.50"], [1234, 0.5]),
        (["1.5", "1e-05"], [1.5, 1e-05]),
    ],
)
def test_a_column_reads_by_the_decimal_sign_that_its_texts_prove(texts: list[str], numbers: list[float]) -> None:
    assert read(texts) == numbers


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1.234", "5.678"], [1234, 5678]),
        (["1,234", "5,678"], [1.234, 5.678]),
        (["12", "345"], [12, 345]),
        (["0.5", "1.234"], [0.5, 1.234]),
    ],
)
def test_a_column_that_proves_nothing_reads_as_its_file_does(texts: list[str], numbers: list[float]) -> None:
    assert read(texts, ",") == numbers


def test_days_and_words_are_no_numbers_of_a_file_with_a_decimal_comma() -> None:
    assert all(map(math.isnan, read(["31.12.2019", "01.02.2020", "a.b"], ",")))


def write_naively(thousandths: int, decimal: str, *, is_grouped: bool, places: int) -> str:
    """A number of three decimals as a spreadsheet writes it, cut to `places` that lose nothing."""
    whole, rest = divmod(abs(thousandths), 1000)
    thousands = "." if decimal == "," else ","
    digits = str(whole)
    if is_grouped:
        groups: list[str] = []
        while len(digits) > 3:
            groups.insert(0, digits[-3:])
            digits = digits[:-3]
        digits = thousands.join([digits, *groups])
    behind = f"{rest:03}"[:places]
    return ("-" if thousandths < 0 else "") + digits + (decimal + behind if places else "")


def read_naively(text: str, decimal: str) -> float | None:
    """The number that a text is with this decimal sign, None when it is none."""
    thousands = "." if decimal == "," else ","
    body = text.removeprefix("-")
    whole, _, behind = body.partition(decimal)
    groups = whole.split(thousands)
    if not all(one.isdecimal() for one in groups) or (behind and not behind.isdecimal()):
        return None
    if len(groups) > 1 and (
        groups[0].startswith("0") or len(groups[0]) > 3 or any(len(one) != 3 for one in groups[1:])
    ):
        return None
    return float(("-" if text.startswith("-") else "") + "".join(groups) + "." + (behind or "0"))


@examples(100)
@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=12, unique=True),
    st.sampled_from([".", ","]),
    st.sampled_from([".", ","]),
    st.booleans(),
    st.sampled_from([0, 2, 3]),
)
def test_a_column_in_one_way_of_writing_is_read_as_it_was_written(
    numbers: list[int], decimal: DecimalSign, of_file: DecimalSign, is_grouped: bool, places: int
) -> None:
    texts = list(dict.fromkeys(write_naively(one, decimal, is_grouped=is_grouped, places=places) for one in numbers))
    other = "." if decimal == "," else ","
    is_proven = any(read_naively(text, other) is None for text in texts)
    sign = decimal if is_proven else of_file
    assert read(texts, of_file) == [read_naively(text, sign) for text in texts]


def test_the_sign_of_a_file_is_what_most_columns_prove() -> None:
    money, index, month = ["13.218,32 €", "95,67 €"], ["0,804", "-1,141"], ["12.2019", "11.2019"]
    assert choose_decimal([money, index, month, ["1.234"], ["a,b", "c"], ["7"]]) == ","
    assert choose_decimal([["1,234.50", "2"], ["0.804"], ["12,5"]]) == "."
    assert choose_decimal([["1.234"], ["1,234"]]) == "."
    assert choose_decimal([]) == "."


@pytest.mark.parametrize(("decimal", "thousands"), [(",", "."), (".", ",")])
def test_a_file_keeps_its_columns_of_three_decimals_and_of_thousands(
    tmp_path: Path, decimal: str, thousands: str
) -> None:
    path = tmp_path / "loans.csv"
    lines = ["loan_id;status;ratio;debt;limit"]
    for row in range(200):
        status = "default" if row % 5 == 0 else "paid"
        ratio = f"{'-' if row % 2 else ''}{row % 3}{decimal}{(row * 37) % 900 + 100}"
        debt = f"{row % 9 + 1}{thousands}{(row * 53) % 900 + 100}{decimal}{row % 90 + 10} €"
        limit = f"{(row * 7) % 90 + 1}{thousands}{'000' if row % 2 else '500'}"
        lines.append(f"L{row};{status};{ratio};{debt};{limit}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    made = draft(path).drafted.draft
    assert made.numbers.decimal == decimal
    used = {guess.column: guess for guess in made.guesses}
    assert [used[name].use for name in ("ratio", "debt", "limit")] == [Use.FACT] * 3
    assert used["ratio"].high < 3
    assert used["limit"].high >= 80_000


def test_the_few_columns_written_in_another_way_are_the_ones_withheld(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    lines = ["loan_id;status;debt;savings;odd"]
    for row in range(200):
        status = "default" if row % 5 == 0 else "paid"
        lines.append(
            f"L{row};{status};{row * 13}.{row % 90 + 10};{row * 7}.{row % 9};1.{row * 3 % 900 + 100},{row % 80 + 10}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    used = {guess.column: guess.use for guess in draft(path).drafted.draft.guesses}
    assert [used[name] for name in ("debt", "savings", "odd")] == [Use.FACT, Use.FACT, Use.WITHHELD]
