"""Whole drafts: tapes like those that strangers bring, and joined files."""

import gzip
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instant_credit.application.document import load_product
from instant_credit.application.product import AttributeType, Direction, Legal
from instant_credit.errors import Refused
from instant_credit.outcome.events import EventKind
from instant_credit.training.drafting.documents.folder import write_folder
from instant_credit.training.drafting.loans.standing import RATE_ROWS_MIN
from instant_credit.training.tapes.files import read_tape
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.tapes.parts import NumberForm
from instant_credit.training.tapes.rows import RowReader, TapeRow
from tests.journeys.edits import apply_edits, read_edits
from tests.training.drafting import strangers
from tests.training.drafting.drafts import TODAY, Loaded, draft, write_tape

ROWS = 400


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return draft(strangers.write_wide(tmp_path_factory.mktemp("wide") / "wide.csv", 3_000))


def invent(rows: int = ROWS, seed: int = 3) -> dict[str, list[Any]]:
    """A small dated tape with an outcome."""
    chance = np.random.default_rng(seed)
    income = chance.lognormal(10, 0.5, rows).round(2)
    bad = chance.random(rows) < np.where(income < np.median(income), 0.4, 0.1)
    days = [date(2015, 1, 1) + timedelta(days=int(one)) for one in chance.integers(0, 1_500, rows)]
    return {
        "loan_id": list(range(1, rows + 1)),
        "customer": [f"c{one % 300}" for one in range(rows)],
        "application_date": days,
        "amount": (chance.integers(10, 300, rows) * 100).tolist(),
        "term": chance.choice([12, 24, 36], rows).tolist(),
        "annual_income": income.tolist(),
        "default": bad.astype(int).tolist(),
    }


def test_codes_and_blanks_of_the_german_data_are_read(tmp_path: Path) -> None:
    loaded = draft(strangers.write_german(tmp_path / "german.csv"))
    assert loaded.mapping.file.delimiter == " "
    assert loaded.mapping.facts["checking_status"].values["A11"] == "a11"
    assert set(loaded.mapping.monitoring) == {"personal_status_sex", "age", "foreign_worker"}
    assert loaded.product.roles.amount == "credit_amount"
    assert loaded.mapping.events[0].when.is_one_of == ("2",)
    assert "A91 to A95" in loaded.doubts


def test_codes_for_missing_lates_are_null_and_the_unnamed_index_is_left_out(tmp_path: Path) -> None:
    loaded = draft(strangers.write_lates(tmp_path / "lates.csv", 20_000))
    late = loaded.mapping.facts["number_of_times90_days_late"]
    assert late.null == ("98",)
    assert loaded.mapping.facts["monthly_income"].null == ("NA",)
    assert "" not in loaded.mapping.needed_columns
    assert loaded.mapping.as_of.constant is not None


def test_negative_codes_are_null_and_bad_is_bad(tmp_path: Path) -> None:
    loaded = draft(strangers.write_heloc(tmp_path / "heloc.csv"))
    assert set(loaded.mapping.facts["m_since_most_recent_delq"].null) == {"-9", "-8", "-7"}
    assert loaded.mapping.events[0].when.is_one_of == ("Bad",)
    assert len(loaded.mapping.facts) == len(strangers.HELOC)


def test_codes_for_missing_can_be_told_apart_by_a_second_fact_of_the_column(tmp_path: Path) -> None:
    path = strangers.write_heloc(tmp_path / "heloc.csv", 400)
    drafted, edits = draft(path).drafted, read_edits("heloc_codes")
    product = load_product(apply_edits(drafted.product, edits["product.toml"]))
    mapping = load_mapping(apply_edits(drafted.mapping, edits["mapping.toml"]), product)
    reader = RowReader(mapping, product, TODAY)
    chunks = list(read_tape(path, mapping.file, mapping.needed_columns))
    rows = [row for chunk in chunks for row in reader.read_chunk(chunk)]
    cells = [cell for chunk in chunks for cell in chunk.columns["MSinceMostRecentDelq"]]
    codes = {"-7": "never_late", "-8": "no_trade", "-9": "no_file"}
    for row, cell in zip(rows, map(str, cells), strict=True):
        assert isinstance(row, TapeRow)
        assert row.values["most_recent_delq_code"] == codes.get(cell, "told")
        assert row.values.get("m_since_most_recent_delq") == (None if cell in codes else int(cell))
    assert set(codes) <= set(map(str, cells))


def test_a_wide_tape_keeps_what_was_known_and_may_be_used(wide: Loaded) -> None:
    mapping = wide.mapping
    assert mapping.file.delimiter == ";"
    assert mapping.numbers == NumberForm(remove=("$", ","))
    assert mapping.row.key == ("id",)
    assert mapping.person.columns == ("member_id",)
    assert mapping.as_of.column == "issue_d"
    assert mapping.as_of.format == "%b-%Y"
    assert mapping.weight is not None
    assert mapping.facts["term"].suffix == "months"
    assert mapping.facts["mths_since_last_delinq"].null == ()
    assert mapping.facts["months_since_record"].null == ("999",)
    assert mapping.facts["merchant"].otherwise == "other"
    assert {"loan_status", "recoveries", "total_pymnt", "collection_hint", "next_pymnt_d"} <= set(mapping.leaks)
    assert {"borrower", "email", "emp_title", "desc", "zip_code", "city", "int_rate", "grade"} <= set(mapping.withheld)
    assert set(mapping.monitoring) == {"gender", "marital_status", "race"}
    assert wide.product.roles.income_annual == "annual_inc"


def test_a_date_of_birth_waits_for_a_person(wide: Loaded) -> None:
    assert wide.attribute("date_of_birth").legal is Legal.AGE
    variable = next(one for one in wide.product.variables if one.of == ("date_of_birth", "as_of"))
    assert not variable.in_model
    assert variable.direction is Direction.DECREASING


def test_no_cell_of_a_person_or_of_free_text_stands_in_a_draft(wide: Loaded) -> None:
    text = (wide.drafted.product + wide.drafted.mapping + wide.doubts).casefold()
    assert not [
        cell for cell in ("smith", "okafor", "@example.com", "i need this loan", "manager of", "town 1") if cell in text
    ]


def test_lines_are_short_and_doubts_are_told_where_they_belong(wide: Loaded) -> None:
    for text in (wide.drafted.product, wide.drafted.mapping):
        assert "CHECK" in text
        assert max(map(len, text.splitlines())) <= 120


def test_every_number_says_how_bad_its_quarters_are(wide: Loaded) -> None:
    assert 'consider "increasing"' in wide.drafted.product


def test_a_dated_tape_is_priced_and_its_outcome_known_a_year_later(tmp_path: Path) -> None:
    loaded = draft(write_tape(tmp_path / "loans.parquet", invent()))
    roles = loaded.product.roles
    assert (roles.amount, roles.term, roles.income_annual) == ("amount", "term", "annual_income")
    assert loaded.attribute("amount").type is AttributeType.CENTS
    assert loaded.attribute("amount").is_required
    assert loaded.mapping.person.columns == ("customer",)
    assert loaded.mapping.events[0].event_on.add_months == 12


def test_an_income_that_is_missing_somewhere_is_no_role(tmp_path: Path) -> None:
    columns = invent()
    columns["annual_income"][7] = None
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns))
    assert loaded.product.roles.income_annual is None
    assert not loaded.attribute("annual_income").is_required


def test_a_day_after_the_application_is_a_leak_and_dates_the_outcome(tmp_path: Path) -> None:
    columns = invent()
    days = zip(columns["application_date"], columns["default"], strict=True)
    columns["chargeoff_date"] = [day + timedelta(days=200) if bad else None for day, bad in days]
    columns["paid_out_on"] = [day + timedelta(days=3) for day in columns["application_date"]]
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns))
    assert {"chargeoff_date", "paid_out_on"} <= set(loaded.mapping.leaks)
    assert loaded.mapping.events[0].event_on.column == "chargeoff_date"


def test_the_year_of_the_application_is_withheld(tmp_path: Path) -> None:
    columns = invent()
    columns["vintage_year"] = [day.year for day in columns["application_date"]]
    assert "vintage_year" in draft(write_tape(tmp_path / "loans.parquet", columns)).mapping.withheld


def test_a_file_of_one_row_adds_columns_and_one_of_many_adds_facts(tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    loans = write_tape(tmp_path / "loans.parquet", invent())
    people = {"customer": [f"c{one}" for one in range(300)], "home": chance.choice(["rent", "own"], 300).tolist()}
    customers = write_tape(tmp_path / "loans_customers.parquet", people)
    rows = 3_000
    moves = {
        "loan_id": chance.integers(1, ROWS + 1, rows).tolist(),
        "booked_on": [date(2014, 1, 1) + timedelta(days=int(one)) for one in chance.integers(0, 1_500, rows)],
        "balance": chance.normal(1_000, 500, rows).round(2).tolist(),
        "kind": chance.choice(["in", "out"], rows).tolist(),
    }
    loaded = draft(loans, customers, write_tape(tmp_path / "moves.parquet", moves))
    files = loaded.mapping.files
    assert (files["customers"].rows, files["customers"].key) == ("one", ("customer",))
    assert (files["moves"].rows, files["moves"].key) == ("many", ("loan_id",))
    assert loaded.mapping.facts["customers_home"].column == "customers.home"
    mean = loaded.mapping.facts["moves_balance_mean"]
    assert (mean.file, mean.take, mean.column, mean.before) == ("moves", "mean", "balance", "booked_on")
    count = loaded.mapping.facts["moves_kind_in"]
    assert count.where is not None
    assert count.where.is_one_of == ("in",)


def test_an_undated_file_of_many_rows_says_so_with_a_doubt(tmp_path: Path) -> None:
    loans = write_tape(tmp_path / "loans.parquet", invent())
    lines: dict[str, list[Any]] = {
        "loan_id": [one % ROWS + 1 for one in range(900)],
        "line_limit": [float(100 + one % 50) for one in range(900)],
    }
    loaded = draft(loans, write_tape(tmp_path / "lines.parquet", lines))
    assert loaded.mapping.files["lines"].undated
    assert "taken as known in time" in loaded.doubts


def test_a_file_without_a_key_is_refused(tmp_path: Path) -> None:
    loans = write_tape(tmp_path / "loans.parquet", invent())
    with pytest.raises(Refused, match="no column of it seems to hold a key"):
        draft(loans, write_tape(tmp_path / "rates.parquet", {"year": [2015, 2016], "rate": [1.5, 1.75]}))


def test_what_a_person_says_is_followed(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "loans.parquet", invent())
    loaded = draft(
        path, outcome="default", bad=("1",), leaks=("term",), withheld=("amount",), currency="EUR", name="car"
    )
    assert (loaded.product.name, loaded.product.currency) == ("car", "EUR")
    assert "term" in loaded.mapping.leaks
    assert "amount" in loaded.mapping.withheld


def blur(bad: list[int], share: float, seed: int) -> list[float]:
    """A number that tells the outcome in `share` of the rows and nothing in the others."""
    chance = np.random.default_rng(seed)
    flags = np.array(bad)
    return np.where(chance.random(len(flags)) < share, flags * 40, chance.integers(0, 40, len(flags))).tolist()  # type: ignore[no-any-return] # numpy's tolist


def test_what_tells_nearly_all_is_a_leak_and_what_tells_much_is_kept_from_the_model(tmp_path: Path) -> None:
    columns = invent(2_000)
    columns |= {"sure": blur(columns["default"], 0.99, 1), "strong": blur(columns["default"], 0.55, 2)}
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns))
    assert "sure" in loaded.mapping.leaks
    assert "draft again with --keep" in loaded.doubts
    assert "strong" in loaded.mapping.facts
    strong = next(one for one in loaded.product.variables if one.name == "strong")
    assert not strong.in_model
    assert 'write in_model = true below name = "strong" among the [[variables]]' in loaded.doubts
    assert "in_model = false  # CHECK" in loaded.drafted.product


def test_a_kept_column_that_tells_much_is_seen_by_the_model(tmp_path: Path) -> None:
    columns = invent(2_000)
    columns["strong"] = blur(columns["default"], 0.55, 2)
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns), kept=("strong",))
    assert next(one for one in loaded.product.variables if one.name == "strong").in_model


def test_strong_directions_are_taken_when_asked_for_and_free_otherwise(tmp_path: Path) -> None:
    columns = invent(4_000)
    place = np.argsort(np.argsort(columns["annual_income"])) / 4_000
    columns["default"] = (np.random.default_rng(2).random(4_000) < 0.4 - 0.35 * place).astype(int).tolist()
    path = write_tape(tmp_path / "loans.parquet", columns)
    for is_directed, direction in ((False, Direction.FREE), (True, Direction.DECREASING)):
        loaded = draft(path, is_directed=is_directed)
        by_name = {one.name: one.direction for one in loaded.product.variables}
        assert (by_name["annual_income"], by_name["term"]) == (direction, Direction.FREE)
    assert 'direction = "decreasing"  # bad by quarter' in loaded.drafted.product


def test_a_fact_that_is_safer_left_out_says_so_once_for_all_columns(tmp_path: Path) -> None:
    columns = invent(4_000)
    chance = np.random.default_rng(8)
    for name in ("phone_calls", "visits"):
        is_told = chance.random(4_000) < np.where(columns["default"], 0.9, 0.5)
        columns[name] = [7 if one else None for one in is_told]
        columns[name] = [int(place % 9) if one else None for place, one in enumerate(is_told)]
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns))
    assert loaded.doubts.count('missing = "refuse"') == 1
    assert "phone_calls, visits: rows that don't tell it" in loaded.doubts


def test_a_day_named_as_of_is_the_day_and_the_others_are_listed(tmp_path: Path) -> None:
    columns = invent()
    columns["as_of"] = [day + timedelta(days=1) for day in columns["application_date"]]
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns))
    assert loaded.mapping.as_of.column == "as_of"
    assert "could be meant as well" in loaded.doubts
    assert "application_date (%Y-%m-%d, 2015-01-" in loaded.doubts


def test_where_no_day_is_likely_the_tapes_days_are_named(tmp_path: Path) -> None:
    columns = invent()
    columns["zeitstempel"] = columns.pop("application_date")
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns))
    assert loaded.mapping.as_of.constant is not None
    assert "name one of the tape's days as column and format of [as_of]: zeitstempel (%Y-%m-%d" in loaded.doubts


@pytest.mark.parametrize(
    ("default", "told"),
    [
        ([0] * ROWS, "every row that tells it says 0"),
        ([1] * 30 + [0] * (ROWS - 30), "370 rows are good and 30 bad: training needs 40 good and 40 bad"),
    ],
)
def test_too_few_of_one_kind_is_told(tmp_path: Path, default: list[int], told: str) -> None:
    assert told in draft(write_tape(tmp_path / "loans.parquet", {**invent(), "default": default})).doubts


def test_no_doubt_stands_twice_in_a_document_beside_one_column(tmp_path: Path) -> None:
    loaded = draft(strangers.write_heloc(tmp_path / "heloc.csv"))
    assert len(set(loaded.doubts.splitlines())) == len(loaded.doubts.splitlines())
    for block in loaded.drafted.product.split("[[attributes]]"):
        checks = [line for line in block.splitlines() if line.startswith("# CHECK")]
        assert len(set(checks)) == len(checks)


def test_a_score_of_a_bureau_that_tells_a_lot_is_a_doubt_and_anything_else_a_leak(tmp_path: Path) -> None:
    columns = invent()
    strong = [700 - 200 * one + place % 50 for place, one in enumerate(columns["default"])]
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns | {"cibil_score": strong, "days_seen": strong}))
    assert "cibil_score" in loaded.mapping.facts
    assert "days_seen" in loaded.mapping.leaks
    assert "cibil_score: alone it orders bad before good" in loaded.doubts


def test_a_kept_column_is_a_fact_whatever_its_name_unless_the_law_closes_it(tmp_path: Path) -> None:
    columns = invent() | {"int_rate": [5.0 + one % 9 for one in range(ROWS)], "city": ["a", "b"] * (ROWS // 2)}
    columns["recovered_hint"] = [one * 2.5 for one in columns["default"]]
    path = write_tape(tmp_path / "loans.parquet", columns)
    loaded = draft(path, kept=("int_rate", "recovered_hint", "city"))
    assert {"int_rate", "recovered_hint"} <= set(loaded.mapping.facts)
    assert "city" in loaded.mapping.withheld


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"kept": ("nothing",)}, "--keep nothing: there is no such column"),
        ({"leaks": ("nothing",)}, "--leak nothing: there is no such column"),
        ({"name": "Not A Name"}, "--name is a-z"),
        ({"currency": "euro"}, "--currency is an ISO code"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(tmp_path: Path, wish: dict[str, object], message: str) -> None:
    with pytest.raises(Refused, match=message):
        draft(write_tape(tmp_path / "loans.parquet", invent(50)), **wish)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "empty"),
        (b"a,b,c\n", "no row"),
        (b"1,2,3\n4,5,6\n7,8,9\n", "looks like data"),
        (b"name\nAda\nGrace\n", "no column is left"),
        (b"\x1f\x8bbroken", "damaged"),
    ],
)
def test_a_file_that_holds_no_tape_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes(raw)
    with pytest.raises(Refused, match=message):
        draft(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        draft(tmp_path / "nothing.csv")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8"])
def test_accents_survive_every_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "loans.csv.gz"
    rows = "".join(f"{one},{'año' if one % 2 else 'été'},{one % 3 % 2}\n" for one in range(60))
    path.write_bytes(
        gzip.compress(
            f"{'préstamo'};periodo;default\n".replace(";", ",").encode(encoding)
            + rows.encode(encoding if encoding != "utf-16" else "utf-16-le")
        )
    )
    loaded = draft(path)
    assert loaded.mapping.file.encoding == encoding
    assert set(loaded.mapping.facts["periodo"].values) == {"año", "été"}


def test_lines_above_the_names_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_text(
        "Loans offered by prospectus\n"
        "amount,home,default\n" + "".join(f"{100 + one},rent,{one % 2}\n" for one in range(60))
    )
    assert draft(path).mapping.file.skip_lines == 1


def test_documents_that_are_there_are_not_lost(tmp_path: Path) -> None:
    loaded = draft(write_tape(tmp_path / "loans.parquet", invent(60)))
    write_folder(loaded.drafted, tmp_path / "out", is_forced=False)
    (tmp_path / "out" / "product.toml").write_text("edited")
    with pytest.raises(Refused, match="would be lost"):
        write_folder(loaded.drafted, tmp_path / "out", is_forced=False)
    assert (tmp_path / "out" / "product.toml").read_text() == "edited"
    write_folder(loaded.drafted, tmp_path / "out", is_forced=True)
    assert (tmp_path / "out" / "product.toml").read_text() == loaded.drafted.product


def test_an_outcome_in_a_file_of_one_row_is_found(tmp_path: Path) -> None:
    columns = invent()
    outcomes = {
        "loan_id": columns["loan_id"],
        "loan_status": ["Charged Off" if bad else "Fully Paid" for bad in columns.pop("default")],
    }
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns), write_tape(tmp_path / "results.parquet", outcomes))
    assert loaded.mapping.events[0].when.column == "results.loan_status"
    assert "results.loan_status" in loaded.mapping.leaks


def test_dated_events_in_a_file_of_many_rows_are_the_outcome(tmp_path: Path) -> None:
    columns = invent()
    told = zip(columns["loan_id"], columns["application_date"], columns.pop("default"), strict=True)
    moves = [
        (loan, day + timedelta(days=after), kind)
        for loan, day, bad in told
        for after, kind in ((-30, "paid"), (40, "paid"), (300, "charged off" if bad else "paid"))
    ]
    repayments = dict(zip(("loan_id", "booked_on", "kind"), map(list, zip(*moves, strict=True)), strict=True))
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns), write_tape(tmp_path / "moves.parquet", repayments))
    bad = loaded.mapping.events[0]
    assert (bad.file, bad.when.column, bad.when.is_one_of) == ("moves", "kind", ("charged off",))
    assert bad.event_on.column == bad.known_on.column == "booked_on"
    assert "moves.kind" in loaded.mapping.leaks
    assert not any(fact.where is not None and fact.where.column == "kind" for fact in loaded.mapping.facts.values())
    assert "0 not known" in loaded.doubts


@pytest.mark.parametrize(("times", "kind"), [((40, 70, 100), EventKind.CURRENT), ((100,), EventKind.PAID)])
def test_a_paid_instalment_is_no_full_repayment(tmp_path: Path, times: tuple[int, ...], kind: EventKind) -> None:
    columns = invent()
    told = zip(columns["loan_id"], columns["application_date"], columns.pop("default"), strict=True)
    moves = [
        (loan, day + timedelta(days=after), "paid" if not bad or after < 100 else "default")
        for loan, day, bad in told
        for after in (-30, *times)
    ]
    repayments = dict(zip(("loan_id", "booked_on", "status"), map(list, zip(*moves, strict=True)), strict=True))
    loaded = draft(write_tape(tmp_path / "loans.parquet", columns), write_tape(tmp_path / "plan.parquet", repayments))
    (good,) = (event for event in loaded.mapping.events if event.when.is_one_of == ("paid",))
    assert good.kind is kind
    assert ("several rows that say paid" in loaded.doubts) == (kind is EventKind.CURRENT)


def test_a_category_of_few_rows_is_drafted_without_its_bad_rate(tmp_path: Path) -> None:
    few, enough = RATE_ROWS_MIN - 1, RATE_ROWS_MIN
    purposes = ["car"] * (ROWS - few - enough) + ["boat"] * few + ["horse"] * enough
    text = draft(write_tape(tmp_path / "loans.parquet", invent() | {"purpose": purposes})).drafted.mapping
    told = {line.split('"')[1]: line for line in text.splitlines() if line.startswith(('"car"', '"boat"', '"horse"'))}
    assert told["boat"].endswith(f"{few} rows")
    assert re.search(rf"{enough} rows, [0-9.]+% bad$", told["horse"])
    assert re.search(r"rows, [0-9.]+% bad$", told["car"])


def test_a_document_that_cannot_be_written_leaves_both_as_they_were(tmp_path: Path) -> None:
    drafted = draft(write_tape(tmp_path / "loans.parquet", invent())).drafted
    (tmp_path / "product.toml").write_text("edited")
    (tmp_path / "mapping.toml.part").mkdir()
    with pytest.raises(Refused, match="can't be written"):
        write_folder(drafted, tmp_path, is_forced=True)
    assert (tmp_path / "product.toml").read_text() == "edited"
    assert not (tmp_path / "mapping.toml").exists()
