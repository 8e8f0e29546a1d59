"""Imports with joined files, weights and prohibited attributes, down to the record."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from instant_credit.application.facts import Monitoring
from instant_credit.commands import cli
from instant_credit.errors import Refused
from instant_credit.record.reads import iterate_cases, read_monitoring
from instant_credit.training.tapes.importing import TapeImport, import_tape
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.underwriting.books import export_book
from tests.training.tapes.joins import MAPPING, PRODUCT, PRODUCT_TEXT, write_files

LOANS = [
    (1, "p", "2010-06-01", 100, "paid", "F", 29),
    (2, "q", "2010-07-01", 200, "lost", "secret", 61),
    (3, "r", "2010-08-01", 300, "paid", None, None),
]
BUREAU = [("p", "x", "a"), ("q", "y", "b")]
MOVES = [("x", "2010-05-01", 5, 0.5, "in"), ("x", "2010-05-02", 7, 0.5, "out"), ("y", "2010-05-02", 9, 0.5, "out")]


def job(folder: Path, **changes: object) -> TapeImport:
    files = write_files(folder, loans=LOANS, bureau=BUREAU, moves=MOVES)
    tape = TapeImport(
        path=files.pop("loans"),
        files=files,
        mapping=load_mapping(MAPPING, PRODUCT),
        product=PRODUCT,
        book="joined",
        rejects_path=folder / "rejects.ndjson",
        chunk_rows=2,
    )
    return msgspec.structs.replace(tape, **changes)


async def export(record, book="joined"):
    return b"".join(await export_book(record, book))


@pytest.mark.anyio
async def test_prohibited_attributes_are_sealed_apart_and_stand_nowhere_else(record, actor, tmp_path):
    summary = await import_tape(record, job(tmp_path), actor)
    assert summary.monitoring_unread == {"sex": 1}
    cases = {case.natural_key: case async for case in iterate_cases(record, "joined")}
    apart = {case.as_of.month: await read_monitoring(record, case.case_id) for case in cases.values()}
    told = {
        month: None if raw is None else msgspec.json.decode(raw, type=Monitoring).codes for month, raw in apart.items()
    }
    assert told == {6: (0, 0), 7: (-1, 2), 8: None}
    seen = await export(record) + (tmp_path / "rejects.ndjson").read_bytes()
    for word in (b"secret", b"sex", b"age_group", b"young"):
        assert word not in seen
    by_month = {case.as_of.month: case for case in cases.values()}
    text = MAPPING.split("[monitoring.sex]")[0] + "\n[[events]]" + MAPPING.split("[[events]]", 1)[1]
    without = job(tmp_path, book="without", mapping=load_mapping(text, PRODUCT))
    await import_tape(record, without, actor)
    async for case in iterate_cases(record, "without"):
        assert case.case == by_month[case.as_of.month].case
        assert await read_monitoring(record, case.case_id) is None


@pytest.mark.anyio
async def test_weights_reach_the_record_and_its_export_and_a_weight_of_one_is_left_out(record, actor, tmp_path):
    summary = await import_tape(record, job(tmp_path), actor)
    assert (summary.recorded, summary.rejected) == (3, 0)
    weights = {case.as_of.month: case.sampling_weight async for case in iterate_cases(record, "joined")}
    assert weights == {6: 10.0, 7: 2.5, 8: 10.0}
    lines = [json.loads(line) for line in (await export(record)).splitlines()]
    assert sorted(line["sampling_weight"] for line in lines) == [2.5, 10.0, 10.0]
    plain = MAPPING.replace('[weight]\ncolumn = "status"\nvalues = { lost = 2.5, paid = 10 }\n', "")
    await import_tape(record, job(tmp_path, book="plain", mapping=load_mapping(plain, PRODUCT)), actor)
    assert b"sampling_weight" not in await export(record, "plain")


@pytest.mark.anyio
async def test_an_import_with_joined_files_that_stops_and_goes_on_is_the_whole_one(record, actor, tmp_path):
    tape = job(tmp_path)

    async def import_and_cancel() -> None:
        await import_tape(record, tape, actor, lambda _: asyncio.current_task().cancel())

    task = asyncio.create_task(import_and_cancel())
    with pytest.raises(asyncio.CancelledError):
        await task
    rest = await import_tape(record, tape, actor)
    # What was cancelled while it was being written may stand.
    assert rest.already >= 2
    assert rest.already + rest.recorded == 3
    await import_tape(record, msgspec.structs.replace(tape, book="whole", chunk_rows=100), actor)
    assert await export(record) == await export(record, "whole")
    again = await import_tape(record, tape, actor)
    assert (again.already, again.recorded, again.events_added) == (3, 0, 0)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("given", "claim"),
    [
        ({}, "files.bureau: give it with --file bureau=PATH; the mapping joins files.moves"),
        ({"bureau": "x", "moves": "x", "late": "x", "other": "x"}, "the mapping has no \\[files.other\\]"),
    ],
)
async def test_files_that_are_not_given_or_not_known_are_named(record, actor, tmp_path, given, claim):
    with pytest.raises(Refused, match=claim):
        await import_tape(record, job(tmp_path, files={name: Path(path) for name, path in given.items()}), actor)


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, [str(argument) for argument in arguments], env=environ)

    return run


def test_the_command_joins_files_and_says_how_they_met(call, tmp_path):
    tape = job(tmp_path)
    (tmp_path / "mapping.toml").write_text(MAPPING)
    (tmp_path / "product.toml").write_text(PRODUCT_TEXT)
    told = [part for name, path in tape.files.items() for part in ("--file", f"{name}={path}")]
    given = ("--mapping", tmp_path / "mapping.toml", "--product", tmp_path / "product.toml")
    done = call("tape", "import", tape.path, *told, *given)
    assert done.exit_code == 0, done.output
    assert (
        "File moves: 2 loans have a row of it and 1 have none; 0 of its 3 rows belong to no loan of the tape"
        in done.output
    )
    assert "Monitoring sex: 1 cells are none of its categories and count as not told" in done.output
    assert "files.moves" in str(call("tape", "import", tape.path, *told[:2], *given).exception)


@pytest.mark.parametrize(
    ("given", "claim"),
    [
        (("--file", "bureau"), "--file is NAME=PATH"),
        (("--file", "=x"), "--file is NAME=PATH"),
        (("--file", "a=x", "--file", "a=y"), "--file a is given twice"),
    ],
)
def test_a_file_that_is_given_wrongly_is_refused(call, tmp_path, given, claim):
    assert claim in str(call("tape", "import", "x.csv", "--mapping", "credit_data_es", *given).exception)


@pytest.mark.parametrize("text", ["", "Status,Amount\n"])
def test_an_empty_tape_does_not_pass_in_silence(call, tmp_path, text):
    (tmp_path / "tape.csv").write_text(text)
    done = call("tape", "import", tmp_path / "tape.csv", "--mapping", "credit_data_es")
    assert done.exit_code != 0
    assert isinstance(done.exception, Refused)


def test_a_tape_whose_every_row_is_rejected_fails_and_says_where_to_look(call, tmp_path):
    tape = job(tmp_path)
    (tmp_path / "mapping.toml").write_text(MAPPING.replace("lost = 2.5, paid = 10", "x = 1"))
    (tmp_path / "product.toml").write_text(PRODUCT_TEXT)
    told = [part for name, path in tape.files.items() for part in ("--file", f"{name}={path}")]
    given = ("--mapping", tmp_path / "mapping.toml", "--product", tmp_path / "product.toml")
    done = call("tape", "import", tape.path, *told, *given)
    assert "no row could be read" in str(done.exception)
    assert "3 rejected" in done.output
