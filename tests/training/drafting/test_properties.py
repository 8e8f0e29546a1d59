"""Whatever a tape holds, a draft of it loads, or one clear error says why there is none."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.document import load_product
from instant_credit.errors import Refused
from instant_credit.training.drafting.documents.folder import choose_name, draft_files
from instant_credit.training.drafting.draft import Wish
from instant_credit.training.tapes.mapping import load_mapping
from tests.budget import examples

TODAY = date(2026, 11, 23)
NAMES = (
    *(
        "id",
        "ID",
        "loan_id",
        "date",
        "Date of birth",
        "status",
        "default",
        "class",
        "y",
        "age",
        "sex",
        "ZIP",
        "as_of",
        "as of",
        "null",
    ),
    *(
        "PAY_0",
        "pay-0",
        "Pay 0",
        "amount",
        "term",
        "annual_inc",
        "weight",
        "name",
        "e-mail",
        "pension",
        "AMT_ANNUITY",
        "race time",
    ),
    *(
        "пол",
        "年齢",
        "größe",
        "Straße",
        "a" * 230,
        "{value}",
        '"quoted"',
        "tab\there",
        "line\nbreak",
        "a.b.c",
        "files",
        "naics code",
    ),
    *(
        "chg_off_date",
        "issue_d",
        "other",
        "month",
        "state",
        "dti",
        "medical debt",
        "single",
        "disability income",
        "column_1",
        "\u202eevil",
    ),
)
TEXTS = (
    *("charged off", "paid", "Fully Paid", "default", "current"),
    *(
        "?",
        "NA",
        "",
        "none",
        "other",
        "Other",
        "OTHER",
        "yes",
        "no",
        "male",
        "female",
        "single",
        "married",
        "A11",
        "1",
        "2",
        "-1",
        "-9",
        "99",
    ),
    *(
        "999",
        "$1,200.50",
        "12%",
        "1.234,5",
        "36 months",
        "2020-01-31",
        "31/12/2019",
        "Jan-2010",
        "930705",
        "medical",
        "city bank",
        "Ada Grace",
    ),
    *(
        "a@b.cd",
        "+1 555 123 4567",
        "{value}",
        "\u0000",
        "\x7f",
        "кот",
        "好",
        "😀",
        "x" * 300,
        "1e400",
        "nan",
        "inf",
        "-0",
        "00202",
        "City",
        "#N/A",
    ),
)
numbers = st.one_of(
    st.integers(-9, 12),
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([96, 98, 99, 999, 365243, 1e300, 0.5, 20200131, 930705, 15074]),
)
cells = st.one_of(st.sampled_from(TEXTS), st.text(max_size=12))


@st.composite
def make_columns(draw: st.DrawFn) -> dict[str, pl.Series]:
    """Up to eight columns of up to forty rows, each of texts, numbers, days or few values."""
    rows = draw(st.integers(0, 40))
    names = draw(st.lists(st.one_of(st.sampled_from(NAMES), st.text(max_size=30)), min_size=1, max_size=8, unique=True))
    columns: dict[str, pl.Series] = {}
    for name in names:
        kind = draw(st.sampled_from(["text", "few", "whole", "real", "day", "flag"]))
        values: list[Any]
        if kind == "few":
            few = draw(st.lists(cells, min_size=1, max_size=4))
            values = draw(st.lists(st.one_of(st.none(), st.sampled_from(few)), min_size=rows, max_size=rows))
        elif kind == "text":
            values = draw(st.lists(st.one_of(st.none(), cells), min_size=rows, max_size=rows))
        elif kind == "day":
            days = st.dates(date(1900, 1, 1), date(2100, 1, 1))
            values = draw(st.lists(st.one_of(st.none(), days), min_size=rows, max_size=rows))
        elif kind == "flag":
            values = draw(st.lists(st.sampled_from([0, 1]), min_size=rows, max_size=rows))
        else:
            told = draw(st.lists(st.one_of(st.none(), numbers), min_size=rows, max_size=rows))
            values = [None if one is None else float(one) for one in told]
            if kind == "whole":
                values = [None if one is None or not abs(one) <= 1e18 else int(one) for one in values]
        columns[name] = pl.Series(name, values, strict=False)
    return columns


def draft_or_refuse(*tables: dict[str, pl.Series]) -> None:
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"tape_{number}.parquet" for number in range(len(tables))]
        for path, columns in zip(paths, tables, strict=True):
            pl.DataFrame(columns).write_parquet(path)
        try:
            drafted = draft_files(paths, Wish(name=choose_name(paths[0]), today=TODAY))
        except Refused:
            return
    product = load_product(drafted.product)
    mapping = load_mapping(drafted.mapping, product)
    assert set(mapping.needed_columns) <= set(tables[0])
    for place, name in enumerate(mapping.files, 1):
        assert set(mapping.list_file_columns(name)) <= set(tables[place])


@examples(60)
@given(make_columns())
def test_a_draft_of_any_tape_loads_or_is_refused(columns: dict[str, pl.Series]) -> None:
    draft_or_refuse(columns)


@examples(40)
@given(make_columns(), make_columns(), st.lists(st.integers(1, 30), min_size=2, max_size=40), st.booleans())
def test_a_draft_of_any_two_tapes_loads_or_is_refused(
    columns: dict[str, pl.Series], others: dict[str, pl.Series], keys: list[int], is_many: bool
) -> None:
    rows = max(len(column) for column in columns.values())
    other_rows = max(len(column) for column in others.values())
    own = keys if is_many else sorted(set(keys))
    ids = pl.Series("loan_id", list(range(1, rows + 1)))
    other_ids = pl.Series("loan_id", (own * 40)[:other_rows] if is_many else list(range(1, other_rows + 1)))
    draft_or_refuse({**columns, "loan_id": ids}, {**others, "loan_id": other_ids})
