"""`instant-credit outcome`: files of three kinds, twice, and the quarantine."""

import asyncio
import gzip
import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from click.testing import CliRunner, Result

from instant_credit.access.actors import Actor
from instant_credit.commands import cli
from instant_credit.outcome.inbound import name_account
from instant_credit.record.commit import commit_entries
from instant_credit.record.pool import open_record
from instant_credit.record.reads import iterate_cases
from instant_credit.settings import Settings
from tests.outcome.reports import PERSON, name_person, write_report
from tests.record.entries import make_entry

Run = Callable[..., Result]


@pytest.fixture
def loans(settings: Settings, actor: Actor) -> list[UUID]:
    """Two loans of the book tape."""

    async def lend() -> list[UUID]:
        async with open_record(settings) as record:
            entries = [make_entry(record, number, events=()) for number in (0, 1)]
            await commit_entries(record, entries, actor)
            return [entry.case_id for entry in entries]

    return asyncio.run(lend())


@pytest.fixture
def run(environ: Mapping[str, str]) -> Run:
    def invoke(*arguments: str | Path, code: int = 0) -> Result:
        done = CliRunner().invoke(cli, ["outcome", *map(str, arguments)], env=dict(environ))
        assert done.exit_code == code, done.output or done.exception
        return done

    return invoke


def kinds(settings: Settings) -> dict[str | None, list[str]]:
    async def read() -> dict[str | None, list[str]]:
        async with open_record(settings) as record:
            return {
                case.natural_key: [row.kind for row in sorted(case.events, key=lambda row: row.number or 0)]
                async for case in iterate_cases(record, "tape")
            }

    return asyncio.run(read())


def told(case_id: UUID, kind: str, day: int) -> dict[str, Any]:
    on = str(date(2011, 6, 1) + timedelta(days=day))
    return {"event_id": str(uuid4()), "application_id": str(case_id), "kind": kind, "event_on": on, "known_on": on}


def test_a_file_of_json_is_taken_in_once(loans: list[UUID], run: Run, settings: Settings, tmp_path: Path) -> None:
    events = [
        told(loans[0], "disbursed", 1),
        told(loans[0], "paid", 90),
        told(loans[1], "payment", 40),
        told(uuid4(), "paid", 1),
    ]
    file = tmp_path / "events.ndjson.gz"
    file.write_bytes(gzip.compress(b"\n".join(json.dumps(event).encode() for event in events) + b"\nbroken\n"))
    first = run("ingest", file).output
    assert "5 lines = 3 recorded + 0 recorded before + 2 in quarantine" in first
    assert "UNKNOWN_APPLICATION: 1" in first
    assert "LINE_UNREADABLE: 1" in first
    assert "The first one is line 4: application_id names no application" in first
    assert "5 lines = 0 recorded + 3 recorded before + 2 in quarantine" in run("ingest", file).output
    assert kinds(settings) == {"row 0": ["disbursed", "paid"], "row 1": ["payment"]}


def test_a_table_is_taken_in(loans: list[UUID], run: Run, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    rows = [f"{uuid4()},row {number},payment,500,2011-07-0{number + 1},2011-07-09" for number in range(3)]
    file.write_text("\n".join(["event_id,account,kind,amount_cents,event_on,known_on", *rows, "x"]))
    output = run("ingest", file, "--book", "tape").output
    assert "4 lines = 2 recorded + 0 recorded before + 2 in quarantine" in output
    assert kinds(settings) == {"row 0": ["payment"], "row 1": ["payment"]}
    assert run("quarantine", "retry", "--all").output.startswith("0 recorded, 2 still in quarantine")


def test_a_loan_of_a_tape_is_named_by_the_number_that_its_row_is_known_by(
    settings: Settings, actor: Actor, run: Run, tmp_path: Path
) -> None:
    async def lend() -> None:
        async with open_record(settings) as record:
            entry = msgspec.structs.replace(make_entry(record, 0, events=()), natural_key=name_account("ACC 1"))
            await commit_entries(record, [entry], actor)

    asyncio.run(lend())
    table, report = tmp_path / "events.csv", tmp_path / "report.m2"
    table.write_text("event_id,account,kind,amount_cents,event_on\n" + f"{uuid4()},ACC 1,disbursed,1000,2011-07-01\n")
    report.write_bytes(
        write_report(account="ACC 1", status="97", charged_off=900, paid=10, last_payment=date(2012, 6, 3))
    )
    assert "1 lines = 1 recorded" in run("ingest", table, "--book", "tape").output
    assert "0 in quarantine" in run("ingest", report, "--book", "tape", "--format", "metro2").output
    assert kinds(settings)[name_account("ACC 1")][0] == "disbursed"


def test_a_book_that_holds_nothing_is_refused_before_a_line_is_read(
    loans: list[UUID], run: Run, tmp_path: Path
) -> None:
    table = tmp_path / "events.csv"
    table.write_text("event_id,account,kind,event_on\n" + f"{uuid4()},row 0,payment,2011-07-01\n")
    assert "book other holds no Case" in str(run("ingest", table, "--book", "other", code=1).exception)
    assert "Nothing is in quarantine." in run("quarantine", "list").output


def test_metro_2_reports_are_taken_in(loans: list[UUID], run: Run, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    reports = [
        b"0426HEADER".ljust(426),
        write_report(account="row 0", status="97", charged_off=900, paid=10, last_payment=date(2012, 6, 3)),
        write_report(account="row 1", status="13", closed=date(2012, 6, 4)),
        write_report(account="row 1", status="99"),
        b"0426TRAILER".ljust(426),
    ]
    file.write_bytes(b"\r\n".join(reports))
    arguments = ("ingest", file, "--format", "metro2", "--book", "tape")
    assert "3 lines = 2 recorded + 0 recorded before + 1 in quarantine" in run(*arguments).output
    assert "3 lines = 0 recorded + 2 recorded before + 1 in quarantine" in run(*arguments).output
    assert kinds(settings) == {"row 0": ["charged_off", "payment"], "row 1": ["paid"]}
    listed = run("quarantine", "list").output
    assert "Account Status (columns 124-125) is no account status code" in listed


def test_a_report_in_quarantine_names_nobody_and_is_recorded_by_a_retry(
    loans: list[UUID], run: Run, settings: Settings, actor: Actor, tmp_path: Path
) -> None:
    file = tmp_path / "report.txt"
    unknown, shifted = (name_person(write_report(account="row 2", status="13", closed=date(2012, 6, 4))) for _ in "ab")
    others = shifted.replace(b"GRACE", b"ADA  ")
    file.write_bytes(b"\n".join([unknown, shifted[1:], others[1:]]))
    arguments = ("ingest", file, "--format", "metro2", "--book", "tape")
    for _ in range(2):
        assert "3 lines = 0 recorded + 0 recorded before + 3 in quarantine" in run(*arguments).output
    ids = [line.split("│")[1].strip() for line in run("quarantine", "list").output.splitlines() if "metro2" in line]
    assert len(ids) == 3
    for one in ids:
        shown = run("quarantine", "show", one, "--by", "staff-7").output
        assert not any(told in shown for told in (*PERSON.values(), "ADA"))
    assert run("quarantine", "retry", "--all").output.startswith("0 recorded, 3 still in quarantine\n")
    assert run("quarantine", "list").output.count("metro2") == 3

    async def lend() -> None:
        async with open_record(settings) as record:
            await commit_entries(record, [make_entry(record, 2, events=())], actor)

    asyncio.run(lend())
    assert run("quarantine", "retry", "--all").output.startswith("1 recorded, 2 still in quarantine\n")
    assert kinds(settings)["row 2"] == ["paid"]


def test_a_line_is_listed_shown_retried_and_dismissed(
    loans: list[UUID], run: Run, settings: Settings, actor: Actor, tmp_path: Path
) -> None:
    assert run("quarantine", "list").output == "Nothing is in quarantine.\n"
    file = tmp_path / "events.csv"
    file.write_text("event_id,account,kind,event_on\n" + f"{uuid4()},row 2,payment,2011-07-01\nbroken\n")
    run("ingest", file, "--book", "tape")
    listed = run("quarantine", "list").output
    ids = {
        code: line.split("│")[1].strip()
        for line in listed.splitlines()
        for code in ("UNKNOWN_ACCOUNT", "LINE_UNREADABLE")
        if code in line
    }
    shown = run("quarantine", "show", ids["UNKNOWN_ACCOUNT"], "--by", "staff-7").output
    assert "row 2,payment,2011-07-01" in shown

    async def lend() -> None:
        async with open_record(settings) as record:
            await commit_entries(record, [make_entry(record, 2, events=())], actor)

    asyncio.run(lend())
    assert run("quarantine", "retry", *ids.values()).output.startswith("1 recorded, 1 still in quarantine\n")
    assert kinds(settings)["row 2"] == ["payment"]
    assert run("quarantine", "dismiss", ids["LINE_UNREADABLE"], "--by", "staff-7").output.startswith("dismissed")
    assert run("quarantine", "list").output == "Nothing is in quarantine.\n"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.csv", None, "can't be read"),
        ("events.txt", b"", "tells no format"),
        ("events.csv", b"kind\n", "names its columns"),
        ("events.metro2", b"", "say in which book"),
        ("events.ndjson.gz", b"no gzip", "is damaged"),
    ],
)
def test_a_file_that_can_t_be_taken_in_is_refused_with_what_to_do(
    run: Run, tmp_path: Path, name: str, content: bytes | None, expected: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert expected in str(run("ingest", tmp_path / name, code=1).exception)


def test_a_book_that_has_no_book_s_name_is_refused(run: Run, tmp_path: Path) -> None:
    refused = run("ingest", tmp_path / "events.csv", "--book", "No Book", code=1)
    assert "a book's name is" in str(refused.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry",),
        ("retry", "--all", str(UUID(int=1))),
        ("retry", "Ada"),
        ("dismiss", str(UUID(int=1)), "--by", "staff-7"),
    ],
)
def test_a_quarantine_command_that_makes_no_sense_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    refused = run("quarantine", *arguments, code=1)
    assert "Ada" not in str(refused.exception)


def test_an_operator_is_an_id(run: Run) -> None:
    run("quarantine", "dismiss", str(UUID(int=1)), "--by", "Ada Example", code=2)


def test_what_a_client_reads_for_is_no_purpose_here(run: Run) -> None:
    refused = run("quarantine", "show", str(UUID(int=1)), "--by", "staff-7", "--purpose", "service", code=2)
    assert "--purpose" in refused.output
