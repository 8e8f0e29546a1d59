"""`instant-credit exploration` puts a programme, shows it, reports on it and stops it."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.experiment.exploration import Ending, Programme
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from instant_credit.underwriting.exploration_report import ExplorationReport
from tests.lender import documents
from tests.lending import install_release

__all__ = ["documents"]


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, ["exploration", *map(str, arguments)], env={**environ, "COLUMNS": "80"})

    return run


@pytest.fixture
def offered(settings, documents):
    async def install():
        async with open_record(settings) as record:
            await install_release(record, documents)

    asyncio.run(install())


@pytest.fixture
def running(tmp_path):
    """The shipped programme, from today on."""
    today = datetime.now(UTC).date()
    days = {"starts_on": today, "ends_on": today + timedelta(days=90)}
    told = read_starter("explorations", "personal_loan").splitlines()
    told = [line for line in told if line.partition(" ")[0] not in {*days, "book"}]
    path = tmp_path / "programme.toml"
    path.write_text("\n".join([*told, *(f"{name} = {day}" for name, day in days.items())]))
    return path


def test_a_programme_is_put_shown_reported_on_and_stopped_for_good(call, offered, running):
    put = call("put", running, "--by", "staff-1")
    assert put.exit_code == 0, put.output
    assert put.output.startswith("Programme ")
    shown = call("show", "personal_loan").output
    assert put.output.split()[-1] in shown
    assert "cap_cents" in shown
    programme = msgspec.json.decode(call("show", "personal_loan", "--json").output, type=Programme)
    told = msgspec.json.decode(call("report", "personal_loan", "--json").output, type=ExplorationReport)
    assert (told.is_open, told.ended, told.spent_cents) == (True, None, 0)
    assert (told.left_cents, told.drawn_ppm) == (programme.cap_cents, None)
    stopped = call("stop", "personal_loan", "--reason", "enough is known", "--by", "staff-1")
    assert stopped.output == f"Stopped: programme {programme.name} of personal_loan\n"
    report = call("report", "personal_loan").output
    for words in ("stopped: enough is known", f"{programme.cap_cents:,}", "nobody yet"):
        assert words in report
    told = msgspec.json.decode(call("report", "personal_loan", "--json").output, type=ExplorationReport)
    assert (told.is_open, told.ended) == (False, Ending.STOPPED)
    again = call("put", running, "--by", "staff-1")
    assert (again.exit_code, "another name" in str(again.exception)) == (1, True)


def test_what_was_never_put_is_not_found(call, settings):
    for words in (("show",), ("report",), ("stop", "--reason", "none", "--by", "staff-1")):
        answer = call(words[0], "personal_loan", *words[1:])
        assert (answer.exit_code, "exploration programme" in str(answer.exception)) == (1, True)
