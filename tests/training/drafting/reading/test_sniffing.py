"""How a csv file is written: its delimiter, and where its header stands."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.training.drafting.reading.profile import read_columns
from instant_credit.training.drafting.reading.sniffing import sniff_form
from tests.budget import examples

ROWS = "".join(f"{row};rent;{row % 2};text {row};\n" for row in range(40))
HEADER = "amount;home;default;note;left\n"


@pytest.mark.parametrize(
    "above",
    [
        "",
        "\n",
        "Loans of 2024\n",
        "Loans of 2024\n\n",
        "\nLoans of 2024\n\n\n",
        "Loans of 2024;;;;\n",
        "Loans of 2024;;;;\n;;;;\n",
        "Loans of 2024;;;;\nas of;2024-12-31;;;\n;;;;\n\n",
        '"Loans\nof 2024";;;;\n',
        "Loans\x0bof 2024;;;;\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_header_is_found_below_titles_and_empty_lines(tmp_path: Path, above: str, end: str) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes((above + HEADER + ROWS).replace("\n", end).encode())
    form = sniff_form(path)
    assert (form.delimiter, form.skip_lines) == (";", above.count("\n"))
    tape = read_columns(path)
    assert list(tape.columns) == ["amount", "home", "default", "note", "left"]
    assert (tape.rows, tape.broken) == (40, 0)


@pytest.mark.parametrize("header", [";value\n", "number;\n", "a;b;\n", ";b;c\n", "a\n", "\na\n"])
def test_a_header_of_few_names_is_no_title(tmp_path: Path, header: str) -> None:
    path = tmp_path / "loans.csv"
    row = "".join("1" if name.strip() else "" for name in "x") + ";" * header.count(";")
    path.write_text(header + f"{row}\n" * 30)
    assert sniff_form(path).skip_lines == header.count("\n") - 1


@examples(60)
@given(
    st.integers(2, 12),
    st.lists(
        st.tuples(st.text("abc XYZ", min_size=1, max_size=12), st.sampled_from(["plain", "padded", "blank"])),
        max_size=6,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_titles_are_skipped(
    tmp_path_factory: pytest.TempPathFactory, width: int, titles: list[tuple[str, str]], delimiter: str
) -> None:
    made = {"plain": "{}", "padded": "{}" + delimiter * (width - 1), "blank": ""}
    above = [made[kind].format(text) for text, kind in titles]
    names = [f"name{place}" for place in range(width)]
    rows = [[f"{row}{place}" for place in range(width)] for row in range(60)]
    path = tmp_path_factory.mktemp("tape") / "loans.csv"
    path.write_text("\n".join([*above, delimiter.join(names), *(delimiter.join(row) for row in rows)]) + "\n")
    assert sniff_form(path).skip_lines == len(above)
    assert list(read_columns(path).columns) == names
