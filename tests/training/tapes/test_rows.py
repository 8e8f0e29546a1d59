import csv
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from instant_credit.application.document import load_product
from instant_credit.outcome.events import EventKind
from instant_credit.outcome.inbound import name_account
from instant_credit.record.shipped import read_starter
from instant_credit.training.tapes.files import TapeChunk, read_tape
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.tapes.parts import FileForm
from instant_credit.training.tapes.rows import RowReader, TapeRow
from instant_credit.units import add_months
from tests.training.documents import HEADER, MAPPING, PRODUCT, ROW, row_of

LATEST = date(2020, 1, 1)


def read_rows(*rows, text=MAPPING, header=HEADER):
    reader = RowReader(load_mapping(text, PRODUCT), PRODUCT, LATEST)
    columns = {name: list(cells) for name, cells in zip(header, zip(*rows, strict=True), strict=True)}
    return reader.read_chunk(TapeChunk(first_row=1, row_count=len(rows), columns=columns, broken={}))


def test_a_row_is_read_by_the_types_of_the_product():
    (row,) = read_rows(ROW)
    assert row.as_of == date(2011, 1, 1)
    assert row.values == {
        "amount_cents": 100_000,
        "term_months": 36,
        "income_cents": 2_500_050,
        "use": "car",
        "utilisation": 0.674,
        "oldest_on": date(1999, 3, 1),
    }
    (paid,) = row.events
    assert (paid.kind, paid.amount_cents) == (EventKind.PAID, 110_025)
    assert (paid.event_on, paid.known_on) == (date(2012, 1, 31), date(2012, 2, 29))


def test_an_event_falls_back_to_the_day_of_the_facts_and_never_has_a_negative_amount():
    (row,) = read_rows(row_of(status="Late", lost="50", last_on="n/a"))
    (lost,) = row.events
    assert (lost.kind, lost.amount_cents, lost.event_on) == (EventKind.CHARGED_OFF, 0, date(2011, 5, 31))


@pytest.mark.parametrize(
    ("changes", "column", "code"),
    [
        ({"amount": "much"}, "amount", "NUMBER_EXPECTED"),
        ({"term": "3.5 months"}, "term", "WHOLE_NUMBER_EXPECTED"),
        ({"use": "plane"}, "use", "VALUE_NOT_MAPPED"),
        ({"oldest": "1999"}, "oldest", "DATE_EXPECTED"),
        ({"issued": ""}, "issued", "DATE_MISSING"),
        ({"issued": "n/a"}, "issued", "DATE_MISSING"),
        ({"issued": "2031-01-01"}, "issued", "DATE_IN_FUTURE"),
        ({"issued": "1931-01-01"}, "issued", "DATE_TOO_EARLY"),
        ({"issued": "soon"}, "issued", "DATE_EXPECTED"),
        ({"paid": "much"}, "paid", "NUMBER_EXPECTED"),
        ({"lost": "much"}, "lost", "NUMBER_EXPECTED"),
        ({"last_on": "soon"}, "last_on", "DATE_EXPECTED"),
        ({"last_on": "9999-12-31"}, "last_on", "DATE_TOO_LATE"),
        ({"last_on": "2010-12-31"}, "last_on", "EVENT_TOO_EARLY"),
    ],
)
def test_an_unreadable_row_says_column_and_reason(changes, column, code):
    (rejects,) = read_rows(row_of(**changes))
    assert [(reject.row, reject.column, reject.code) for reject in rejects] == [(1, column, code)]


def test_a_row_names_everything_that_is_wrong_with_it():
    _, rejects = read_rows(ROW, row_of(amount="much", use="plane", issued=""))
    assert [(reject.row, reject.column) for reject in rejects] == [(2, "amount"), (2, "use"), (2, "issued")]


def test_an_event_that_would_be_known_too_early_is_refused():
    text = MAPPING.replace('{ column = "last_on", add_months = 1 }', "{ constant = 2011-06-01 }")
    (rejects,) = read_rows(ROW, text=text)
    assert [reject.code for reject in rejects] == ["EVENT_KNOWN_TOO_EARLY"]


def test_equal_rows_are_counted_and_stay_apart():
    first, other, second = read_rows(ROW, row_of(rate="0.2"), ROW)
    assert first.natural_key.removesuffix("-1") == second.natural_key.removesuffix("-2")
    assert other.natural_key[:32] != first.natural_key[:32]
    assert len({first.person_key, second.person_key, other.person_key}) == 3


def test_what_happened_to_a_loan_does_not_change_who_a_row_is():
    (open_one,) = read_rows(row_of(status="Current", paid="", last_on=""))
    (paid,) = read_rows(ROW)
    assert open_one.natural_key == paid.natural_key
    assert open_one.person_key == paid.person_key
    assert (len(open_one.events), len(paid.events)) == (0, 1)


OVER = MAPPING.replace('column = "income"', 'column = "income"\nover = "utilisation"\nover_min = 1.0')


@pytest.mark.parametrize(
    ("income", "over", "cents"),
    [
        ("500", "50", 1_000),
        ("1", "3", 33),
        ("0.05", "2", 2),
        ("0.07", "2", 4),
        ("500", "1.0", 50_000),
        ("500", "0.999", None),
        ("500", "-50", None),
        ("500", "", None),
        ("500", "n/a", None),
        ("", "50", None),
        ("n/a", "50", None),
    ],
)
def test_an_amount_over_another_column_is_rounded_to_a_cent_and_missing_where_that_is_small(income, over, cents):
    (row,) = read_rows(row_of(income=income, utilisation=over), text=OVER)
    assert row.values["income_cents"] == cents


@pytest.mark.parametrize(
    ("changes", "columns"),
    [
        ({"income": "much"}, ["income"]),
        ({"utilisation": "much"}, ["utilisation"]),
        ({"income": "9" * 16, "utilisation": "1"}, ["income"]),
    ],
)
def test_an_amount_over_another_column_that_can_not_be_read_names_the_column(changes, columns):
    (rejects,) = read_rows(row_of(**changes), text=OVER)
    assert [reject.column for reject in rejects] == columns


def test_the_shipped_tape_tells_the_limit_out_of_balance_and_utilisation():
    product = load_product(read_starter("products", "personal_loan"))
    mapping = load_mapping(read_starter("mappings", "lending_club_2007_2011"), product)
    cells = {**dict.fromkeys(mapping.needed_columns), "issue_d": date(2009, 5, 1)}
    reader = RowReader(mapping, product, LATEST)
    columns = {name: [cell] * 4 for name, cell in cells.items()}
    columns |= {"revol_bal": [1234.0, 1234.0, 0.0, 1234.0], "revol_util": [0.5, 0.0099, 0.5, None]}
    rows = reader.read_chunk(TapeChunk(first_row=1, row_count=4, columns=columns, broken={}))
    assert [row.values["revolving_limit_cents"] for row in rows] == [246_800, None, None, None]
    assert rows[0].values["revolving_utilisation"] == 0.5


def test_ignored_columns_do_not_change_who_a_row_is():
    text = MAPPING.replace("[as_of]", '[row]\nignore = ["rate"]\n[as_of]')
    first, second = read_rows(ROW, row_of(rate="0.2"), text=text)
    assert first.natural_key[:32] == second.natural_key[:32]


def test_a_key_that_comes_twice_is_rejected_the_second_time():
    text = MAPPING.replace("[as_of]", '[row]\nkey = ["rate"]\n[as_of]')
    first, second, other = read_rows(ROW, row_of(amount="5"), row_of(rate="0.2"), text=text)
    assert isinstance(first, TapeRow)
    assert isinstance(other, TapeRow)
    assert [(reject.row, reject.column, reject.code) for reject in second] == [(2, "rate", "KEY_REPEATED")]


def test_a_loan_known_by_one_number_can_be_named_by_it():
    text = MAPPING.replace("[as_of]", '[row]\nkey = ["rate"]\n[as_of]')
    first, second = read_rows(ROW, row_of(rate="0.2"), text=text)
    assert second.natural_key == name_account("0.2")
    assert first.natural_key != second.natural_key


def test_a_person_may_have_several_loans():
    text = MAPPING.replace("[as_of]", '[person]\ncolumns = ["rate"]\n[as_of]')
    rows = read_rows(ROW, row_of(amount="5"), row_of(rate="0.2"), row_of(rate=""), text=text)
    first, same, other, unnamed = (row.person_key for row in rows)
    assert first == same
    assert len({first, other, unnamed}) == 3


def test_values_otherwise_catches_what_is_not_listed():
    text = MAPPING.replace("lowercase = true", 'otherwise = "other"')
    assert [row.values["use"] for row in read_rows(ROW, row_of(use="car"), row_of(use=""), text=text)] == [
        "other",
        "car",
        None,
    ]


@given(
    st.lists(st.sampled_from([ROW, row_of(amount="7"), row_of(amount="x"), row_of(rate="")]), max_size=12),
    st.integers(1, 5),
)
def test_rows_do_not_depend_on_where_chunks_end(rows, size):
    mapping = load_mapping(MAPPING, PRODUCT)
    reader = RowReader(mapping, PRODUCT, LATEST)
    found = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        columns = {name: [row[place] for row in part] for place, name in enumerate(HEADER)}
        found += reader.read_chunk(TapeChunk(first_row=start + 1, row_count=len(part), columns=columns, broken={}))
    assert found == (read_rows(*rows) if rows else [])


def test_csv_and_parquet_tell_the_same_rows(tmp_path):
    typed = {
        "issued": pa.array([date(2011, 1, 1), date(2011, 2, 1)]),
        "amount": pa.array([1000, 2000]),
        "term": pa.array(["36", "60"]),
        "income": pa.array([25000.5, 38556.0]),
        "use": pa.array(["Car", "Boat"]).dictionary_encode(),
        "utilisation": pa.array([67.4, None]),
        "oldest": pa.array([date(1999, 3, 1), None]),
        "status": pa.array(["Paid", "Late"]),
        "paid": pa.array([1100.25, 0.0]),
        "lost": pa.array([None, 1500.0]),
        "last_on": pa.array([date(2012, 1, 31), None]),
        "rate": pa.array([0.1, 0.2]),
    }
    parquet.write_table(pa.table(typed), tmp_path / "tape.parquet")
    with (tmp_path / "tape.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(typed)
        writer.writerows(zip(*(column.to_pylist() for column in typed.values()), strict=True))
    mapping = load_mapping(MAPPING, PRODUCT)
    rows = []
    for name in ("tape.parquet", "tape.csv"):
        reader = RowReader(mapping, PRODUCT, LATEST)
        rows.append(
            [row for chunk in read_tape(tmp_path / name, FileForm(), ("amount",)) for row in reader.read_chunk(chunk)]
        )
    assert rows[0] == rows[1]
    assert all(isinstance(row, TapeRow) for row in rows[0])


def test_months_keep_the_day_or_the_months_last_one():
    assert add_months(date(2011, 1, 31), 1) == date(2011, 2, 28)
    assert add_months(date(2011, 12, 15), 13) == date(2013, 1, 15)


def test_forgetting_what_texts_mean_changes_nothing(monkeypatch):
    rows = [row_of(amount=str(place)) for place in (1, 2, 1)]
    expected = [row.values for row in read_rows(*rows)]
    monkeypatch.setattr("instant_credit.training.tapes.readers._REMEMBERED_MAX", 0)
    reader = RowReader(load_mapping(MAPPING, PRODUCT), PRODUCT, LATEST)
    found = []
    for row in rows:
        columns = {name: [cell] for name, cell in zip(HEADER, row, strict=True)}
        found += reader.read_chunk(TapeChunk(first_row=1, row_count=1, columns=columns, broken={}))
    assert [row.values for row in found] == expected


def test_numbers_are_read_as_the_mapping_says_they_are_written():
    european = '[numbers]\nremove = [".", "€"]\ndecimal = ","\n[as_of]'
    (row,) = read_rows(
        row_of(amount="1.000,50 €", income="25.000", paid="1.100,25", utilisation="67,4"),
        text=MAPPING.replace("[as_of]", european),
    )
    assert (row.values["amount_cents"], row.values["income_cents"]) == (100_050, 2_500_000)
    assert (row.values["utilisation"], row.events[0].amount_cents) == (0.674, 110_025)


def test_values_of_a_mapping_are_plain_numbers_however_the_tape_writes_its_own():
    text = MAPPING.replace("[as_of]", '[numbers]\nremove = ["."]\ndecimal = ","\n[as_of]')
    text = text.replace("divide_by = 100", 'values = { "low" = 0.5 }')
    (row,) = read_rows(row_of(utilisation="low"), text=text)
    assert row.values["utilisation"] == 0.5


@pytest.mark.parametrize(("number", "category"), [("-5", "car"), ("9.99", "car"), ("10", "other"), ("1e9", "other")])
def test_edges_cut_a_number_into_categories(number, category):
    text = MAPPING.replace('lowercase = true\nvalues = { "car" = "car", "boat" = "other" }', "edges = [10]")
    (row,) = read_rows(row_of(use=number), text=text)
    assert row.values["use"] == category


def test_a_text_where_edges_expect_a_number_is_rejected():
    text = MAPPING.replace('lowercase = true\nvalues = { "car" = "car", "boat" = "other" }', "edges = [10]")
    (rejects,) = read_rows(row_of(use="ten"), text=text)
    assert [(reject.column, reject.code) for reject in rejects] == [("use", "NUMBER_EXPECTED")]


@pytest.mark.parametrize(
    ("test", "status", "lost", "holds"),
    [
        ("is_told = true", "Paid", "", True),
        ("is_told = true", "n/a", "", False),
        ("is_told = false", "", "", True),
        ("above = 1, below = 3", "2", "", True),
        ("above = 1, below = 3", "3", "", False),
        ("below = 3", "", "", False),
        ('is_one_of = ["Paid"], also = [{ column = "lost", is_told = false }]', "Paid", "", True),
        ('is_one_of = ["Paid"], also = [{ column = "lost", is_told = false }]', "Paid", "0", False),
        ('is_one_of = ["Paid"], also = [{ column = "lost", is_told = false }]', "Late", "", False),
    ],
)
def test_a_condition_holds_when_all_its_tests_do(test, status, lost, holds):
    text = MAPPING.replace('is_one_of = ["Paid"]', test)
    (row,) = read_rows(row_of(status=status, lost=lost), text=text)
    assert [event.kind for event in row.events] == ([EventKind.PAID] if holds else [])


def test_a_test_that_can_not_be_read_names_its_own_column():
    text = MAPPING.replace('is_one_of = ["Paid"]', 'is_one_of = ["Paid"], also = [{ column = "paid", above = 1.0 }]')
    (rejects,) = read_rows(row_of(paid="much"), text=text)
    assert [(reject.column, reject.code) for reject in rejects] == [("paid", "NUMBER_EXPECTED")]
