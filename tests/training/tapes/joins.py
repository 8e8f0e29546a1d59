"""A tape of loans with a bureau file of one row a person and an account file of many, for tests of joined files."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from instant_credit.application.document import load_product
from instant_credit.training.tapes.files import read_tape
from instant_credit.training.tapes.joining import JoinedFiles
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.tapes.rows import Reject, RowReader, TapeRow

LATEST = date(2020, 1, 1)


def attribute(name: str, kind: str, *categories: str, **more: str) -> str:
    lines = ["[[attributes]]", f'name = "{name}"', f'type = "{kind}"', 'description = "A fact."']
    lines += [f'{key} = "{value}"' for key, value in {"legal": "free", **more}.items()]
    if categories:
        return "\n".join([*lines, f"categories = {list(categories)}"])
    low, high = (0, 100) if kind == "date" else (-9 * 10**15, 9 * 10**15)
    return "\n".join([*lines, 'unit = "number"', f"minimum = {low}", f"maximum = {high}"])


PRODUCT_TEXT = "\n".join(
    [
        'name = "account_loan"',
        'title = "Account loan"',
        'currency = "CZK"',
        "[roles]",
        attribute("amount_cents", "cents", missing="refuse"),
        attribute("grade", "category", "a", "b"),
        attribute("moves", "integer"),
        attribute("spent_cents", "cents"),
        attribute("spent_mean_cents", "cents"),
        attribute("spent_last_cents", "cents"),
        attribute("rate_sum", "real"),
        attribute("rate_mean", "real"),
        attribute("rate_min", "real"),
        attribute("first_on", "date"),
        attribute("last_kind", "category", "in", "out"),
        attribute("moves_recent", "integer"),
        attribute("moves_out", "real"),
        attribute("sex", "category", "f", "m", legal="prohibited"),
        attribute("age_group", "category", "young", "middle", "old", legal="prohibited"),
        "[[variables]]",
        'name = "amount"',
        'op = "value"',
        'of = ["amount_cents"]',
        'unit = "cents"',
        "in_model = false",
        'why = "Shown."',
    ]
)
PRODUCT = load_product(PRODUCT_TEXT)

FACTS = """
[facts.amount_cents]
column = "amount"
[facts.grade]
column = "bureau.grade"
[facts.moves]
file = "moves"
take = "count"
before = "on"
[facts.moves_out]
file = "moves"
take = "count"
where = { column = "kind", is_one_of = ["out"] }
before = "on"
[facts.moves_recent]
file = "moves"
take = "count"
before = "on"
within_months = 3
[facts.spent_cents]
file = "moves"
take = "sum"
column = "spent"
before = "on"
[facts.spent_mean_cents]
file = "moves"
take = "mean"
column = "spent"
before = "on"
[facts.spent_last_cents]
file = "moves"
take = "last"
column = "spent"
before = "on"
[facts.rate_sum]
file = "moves"
take = "sum"
column = "rate"
before = "on"
[facts.rate_mean]
file = "moves"
take = "mean"
column = "rate"
before = "on"
[facts.rate_min]
file = "moves"
take = "min"
column = "rate"
before = "on"
[facts.first_on]
file = "moves"
take = "min"
column = "on"
before = "on"
[facts.last_kind]
file = "moves"
take = "last"
column = "kind"
before = "on"
"""
MAPPING = f"""
schema_version = 1
name = "accounts"
title = "Loans with accounts"
product = "account_loan"
leaks = ["status", "late.paid_on", "late.days", "late.told_on"]

[files.bureau]
key = ["client"]
on = ["person"]
[files.moves]
key = ["account"]
on = ["bureau.account"]
rows = "many"
[files.late]
key = ["loan"]
on = ["id"]
rows = "many"

[row]
key = ["id"]
[as_of]
column = "issued"
[person]
columns = ["bureau.client"]
[weight]
column = "status"
values = {{ lost = 2.5, paid = 10 }}
{FACTS}
[monitoring.sex]
column = "sex"
values = {{ F = "f", M = "m" }}
[monitoring.age_group]
column = "age"
edges = [30, 60]

[[events]]
kind = "charged_off"
when = {{ column = "status", is_one_of = ["lost"] }}
event_on = {{ add_months = 12 }}
known_on = {{ add_months = 12 }}
[[events]]
kind = "delinquent"
file = "late"
when = {{ column = "days", above = 89 }}
event_on = {{ column = "paid_on" }}
known_on = {{ column = "told_on" }}
"""


def write_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """A csv file; None is an empty cell."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return path


LOAN = ("id", "person", "issued", "amount", "status", "sex", "age")
BUREAU = ("client", "account", "grade")
MOVES = ("account", "on", "spent", "rate", "kind")
LATE = ("loan", "paid_on", "told_on", "days")


def write_files(folder: Path, **tables: Sequence[Sequence[object]]) -> dict[str, Path]:
    """The four files; one that is not given has one row that belongs to nobody."""
    told = {
        "loans": (LOAN, [(1, "p", "2010-06-01", 100, "paid", "F", 40)]),
        "bureau": (BUREAU, [("nobody", "none", "a")]),
        "moves": (MOVES, [("nobody", "2009-01-01", 1, 1, "in")]),
        "late": (LATE, [("nobody", "2011-01-01", "2011-01-02", 0)]),
    }
    return {
        name: write_rows(folder / f"{name}.csv", header, tables.get(name, rows))
        for name, (header, rows) in told.items()
    }


def read_joined(
    files: Mapping[str, Path], *, text: str = MAPPING, chunk_rows: int = 2_000
) -> tuple[list[TapeRow | list[Reject]], JoinedFiles]:
    """All rows of the tape with what the joined files tell."""
    mapping = load_mapping(text, PRODUCT)
    joined = JoinedFiles(mapping, PRODUCT, {name: files[name] for name in mapping.files})
    reader = RowReader(mapping, PRODUCT, LATEST, joined)
    chunks = read_tape(files["loans"], mapping.file, mapping.needed_columns, chunk_rows)
    return [row for chunk in chunks for row in reader.read_chunk(chunk)], joined


def told(row: Any) -> TapeRow:
    """The row, which can be read."""
    assert isinstance(row, TapeRow), row
    return row
