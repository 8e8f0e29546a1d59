"""Triggers on the command line: put from a shipped name or a file, listed, shown, stopped; and a worker that asks by itself."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from instant_credit.commands import cli
from instant_credit.commands.job import ACTOR
from instant_credit.factory.requests import MonthsRequest
from instant_credit.factory.triggers import TriggerDefinition, TriggerDesk
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from instant_credit.settings import read_settings
from tests.clock import FixedClock

BY = ("--by", "staff-7")


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=environ)


def test_a_shipped_trigger_is_put_listed_and_stopped(environ):
    put = run(environ, "trigger", "put", "learning", "--book", "tape", *BY)
    assert put.exit_code == 0, put.output
    assert "Asks for: retrain on tape" in put.stdout
    assert "By:       day at 03:00, by rules" in put.stdout
    assert "learning" in run(environ, "trigger", "list").stdout
    assert "Version:  1" in run(environ, "trigger", "show", "learning").stdout
    assert "Kind:      look" in run(environ, "trigger", "look", "learning").stdout
    stopped = run(environ, "trigger", "stop", "learning", *BY).stdout
    assert "stopped" in stopped
    assert "Due next" not in stopped
    assert "stopped" in run(environ, "trigger", "list").stdout
    assert "No trigger of this name stands" in str(run(environ, "trigger", "look", "learning").exception)


def test_a_file_names_documents_by_their_files(environ, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text(read_starter("alerts", "standard").replace("labels_min = 1000", "labels_min = 5"))
    document = tmp_path / "trigger.toml"
    document.write_text(
        f'name = "own"\nevery = "week"\nrules = "{rules}"\n[request]\nkind = "retrain"\nbook = "a"\nlabels = "bad_90_in_12"'
    )
    put = run(environ, "trigger", "put", str(document), *BY)
    assert put.exit_code == 0, put.output
    assert "week at 00:00, by rules" in put.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "own"\nevery = "week"\nrequest = 3', "request"),
        ('name = "own"\nevery = "week"\n[request]\nkind = "retrain"\nlabels = "none.toml"', "neither a readable file"),
        ("name", "not TOML"),
    ],
)
def test_a_document_that_is_no_trigger_is_refused(environ, tmp_path, text, message):
    document = tmp_path / "trigger.toml"
    document.write_text(text)
    done = run(environ, "trigger", "put", str(document), *BY)
    assert done.exit_code == 1
    assert message in str(done.exception)


def test_jobs_of_judgement_and_monitoring_are_queued_or_refused(environ):
    assert "Kind:      monitor" in run(environ, "job", "monitor", "--book", "tape").stdout
    unknown = run(environ, "job", "judge", "--book", "tape", "--model", "a" * 64)
    assert "no model of this hash" in str(unknown.exception)
    assert run(environ, "job", "judge", "--book", "tape", "--model", "newest").exit_code == 2
    done = run(environ, "job", "judge", "--book", "tape", "--model", "a" * 64, "--champion", "best")
    assert "live or none" in done.output


def test_a_worker_asks_for_what_is_due_and_runs_it(environ):
    asyncio.run(put_in_the_past(environ))
    command = [sys.executable, "-m", "instant_credit.commands", "worker"]
    with subprocess.Popen(
        command, env=os.environ | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as worker:
        lines = [json.loads(worker.stderr.readline()) for _ in range(2)]
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    (asked,) = [line for line in lines if line["event"] == "trigger_asked"]
    (ended,) = [line for line in lines if line["event"] == "job"]
    assert (asked["trigger"], asked["job_ids"]) == ("hourly", [ended["job_id"]])
    shown = run(environ, "job", "show", ended["job_id"]).stdout
    assert re.search(r"Trigger:   hourly\nBecause:   it was due at .* UTC", shown)


async def put_in_the_past(environ: dict[str, str]) -> None:
    """A trigger that was due many times since."""
    definition = TriggerDefinition(name="hourly", every="hour", request=MonthsRequest())
    async with open_record(read_settings(environ), clock=FixedClock()) as record:
        await TriggerDesk(record).put(definition, ACTOR)
