"""Jobs on the command line: asked for, shown, cancelled, tried again; and a worker that runs one."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner, Result

from instant_credit.commands import cli
from tests.training.tapes.test_importing import write_tape
from tests.training.test_train_command import invent_rows

JOB = re.compile(r"^Job: +(\S+)$", re.MULTILINE)
STATE = re.compile(r"^State: +(\w+)$", re.MULTILINE)


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=environ)


def add(environ: dict[str, str], *arguments: str) -> str:
    done = run(environ, *arguments)
    assert done.exit_code == 0, done.output
    return JOB.search(done.stdout)[1]


def test_a_job_is_added_listed_cancelled_and_tried_again(environ):
    job = add(environ, "job", "add", "months")
    assert f"{job}" in run(environ, "job", "list").stdout
    twice = run(environ, "job", "add", "months")
    assert twice.exit_code == 1
    assert job in str(twice.exception)
    for command, state in (("show", "queued"), ("cancel", "cancelled"), ("retry", "queued")):
        assert STATE.search(run(environ, "job", command, job).stdout)[1] == state


@pytest.fixture
def book(environ, tmp_path) -> str:
    tape = write_tape(tmp_path / "tape.csv", invent_rows(60))
    done = run(environ, "tape", "import", "--mapping", "lending_club_2016q1", "--book", "small", str(tape))
    assert done.exit_code == 0, done.output
    return "small"


def test_a_retraining_is_queued_with_its_options(environ, book):
    job = add(environ, "retrain", "--book", book, "--folds", "2", "--preset", "steady", "--known-on", "2025-01-01")
    assert "retrain" in run(environ, "job", "show", job).stdout
    other = add(environ, "retrain", "--book", book, "--folds", "2", "--product", "personal_loan")
    assert other != job
    told = ("--labels", "bad_90_in_12", "--inference", "parcelling", "--prudence", "2", "--trust", "income")
    assert add(environ, "retrain", "--book", book, "--folds", "2", *told) not in {job, other}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--folds", "2", "--test-share", "0.2"), "give one of --test-from"),
        (("--preset", "plain", "--search", "3"), "give one of --preset and --search"),
        (("--folds", "99"), "2<=x<=20"),
        (("--prudence", "2"), "--prudence goes with --inference parcelling or fuzzy-augmentation"),
    ],
)
def test_options_that_do_not_go_together_are_refused(environ, options, words):
    done = run(environ, "retrain", "--book", "small", *options)
    assert done.exit_code == 2
    assert words in done.output


def test_a_retraining_of_no_book_is_refused(environ):
    done = run(environ, "retrain", "--book", "nowhere")
    assert done.exit_code == 1
    assert "holds no Case" in str(done.exception)


def test_a_worker_runs_jobs_counts_them_and_ends_well(environ):
    job = add(environ, "job", "add", "months")
    failing = add(environ, "job", "add", "audit")
    command = [sys.executable, "-m", "instant_credit.commands", "worker", "--metrics-port", "0"]
    with subprocess.Popen(
        command, env=os.environ | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as worker:
        port = re.search(r"127\.0\.0\.1:(\d+)", worker.stdout.readline())[1]
        assert worker.stdout.readline() == "Taking jobs\n"
        lines = [json.loads(worker.stderr.readline()) for _ in range(2)]
        counted = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    assert {(line["event"], line["job_id"], line["ending"]) for line in lines} == {
        ("job", job, "succeeded"),
        ("job", failing, "failed"),
    }
    assert 'instant_credit_jobs_total{ending="succeeded",kind="months"} 1.0' in counted
    shown = run(environ, "job", "show", job).stdout
    assert re.search(r"months: begun .*, finished ", shown)
    assert "Result:    this month's partitions" in shown
    assert "Error: " in run(environ, "job", "show", failing).stdout
