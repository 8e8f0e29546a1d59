"""A worker that is killed without a word, in the middle of a retraining, again and again.

Whatever the moment: no finished step is made again, one bundle is registered, and its hash is that of a training that nobody disturbed.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import pytest
from click.testing import CliRunner

from instant_credit.access.actors import Actor
from instant_credit.commands import cli
from instant_credit.factory.desk import JobDesk
from instant_credit.factory.requests import RetrainRequest
from instant_credit.record.audit import audit_record
from instant_credit.record.documents import list_documents
from instant_credit.record.pool import Record, open_record
from instant_credit.record.queue import ENDED, JobEvent, JobEventKind, JobState, read_job
from instant_credit.record.queue_log import LOST_RUNS_MAX, count_lost_runs
from instant_credit.settings import Settings, read_settings
from instant_credit.training.dataset import gather_training_set
from instant_credit.training.plans import ByFolds
from instant_credit.training.workshop import build_training
from tests.budget import IS_PROVING
from tests.training.tapes.test_importing import PRODUCT, write_tape
from tests.training.test_train_command import invent_rows

T = TypeVar("T")

KILLS = 20 if IS_PROVING else 1
SEED = 20_261_123
PLAN = ByFolds(folds=2)
PRESET = "steady"
KNOWN_ON = date(2026, 1, 1)
# A worker's whole time with this job is a few seconds.
MOMENT_SECONDS_MAX = 3.0
WAIT_SECONDS = 120
LOOK_SECONDS = 0.05
NOBODY = UUID(int=0)


def start_worker(environ: dict[str, str]) -> "subprocess.Popen[str]":
    worker = subprocess.Popen(
        [sys.executable, "-m", "instant_credit.commands", "worker", "--lost-after", "1"],
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert worker.stdout is not None
    assert "Taking jobs" in worker.stdout.readline()
    return worker


def wait(worker: "subprocess.Popen[str]", seconds: float) -> None:
    """Let the worker work for so long."""
    with suppress(subprocess.TimeoutExpired):
        worker.wait(seconds)
        pytest.fail("the worker ended by itself")


class Watcher:
    """Reads the record from beside, over one connection to it."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.record: Record = self._runner.run(self._stack.enter_async_context(open_record(settings)))

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def read(self, job_id: UUID) -> tuple[JobState, tuple[JobEvent, ...]]:
        job = self._runner.run(read_job(self.record, job_id))
        return job.state, job.events

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)


def ask(watcher: Watcher, actor: Actor) -> UUID:
    request = RetrainRequest(book="small", folds=PLAN.folds, preset=PRESET, known_on=KNOWN_ON)
    return watcher.run(JobDesk(watcher.record).request(request, actor)).job_id


def run_to_end(environ: dict[str, str], watcher: Watcher, job_id: UUID, random: Random, kills: int) -> int:
    """Run a job to its end under workers that are killed up to so many times; how many were."""
    killed = 0
    while True:
        worker = start_worker(environ)
        begun = sum(event.kind is JobEventKind.BEGUN for event in watcher.read(job_id)[1])
        waited = 0.0
        while True:
            state, events = watcher.read(job_id)
            if state in ENDED or sum(event.kind is JobEventKind.BEGUN for event in events) > begun:
                break
            wait(worker, LOOK_SECONDS)
            waited += LOOK_SECONDS
            assert waited < WAIT_SECONDS, "nobody took the job up"
        if killed < kills and state not in ENDED:
            wait(worker, random.uniform(0, MOMENT_SECONDS_MAX))
            # A job whose workers die too often between two steps is given up: the last one before that is let finish one.
            while count_lost_runs(events, NOBODY) == LOST_RUNS_MAX and state not in ENDED:
                wait(worker, LOOK_SECONDS)
                state, events = watcher.read(job_id)
            worker.send_signal(signal.SIGKILL)
            killed += 1
        else:
            while state not in ENDED:
                wait(worker, LOOK_SECONDS)
                state, _ = watcher.read(job_id)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
        worker.wait()
        assert worker.stdout is not None
        worker.stdout.close()
        if watcher.read(job_id)[0] in ENDED:
            return killed


def check_steps(events: tuple[JobEvent, ...]) -> None:
    finished: Counter[str] = Counter()
    for event in events:
        if event.kind is JobEventKind.STEP_BEGUN:
            assert event.step is not None
            assert not finished[event.step], f"{event.step} was begun again after it had finished"
        if event.kind is JobEventKind.STEP_FINISHED:
            assert event.step is not None
            finished[event.step] += 1
    assert set(finished.values()) == {1}, finished


async def train_undisturbed(record: Record) -> str:
    training_set = await gather_training_set(record, book="small", product=PRODUCT, known_on=KNOWN_ON)
    return build_training(training_set, PLAN, PRESET).bundle_hash


async def list_models(record: Record, settings: Settings) -> list[str]:
    report = await audit_record(record, settings.anchors_file, bytes(32))
    assert report.found == 0, report.findings
    return [row.content_hash for row in await list_documents(record, "model")]


@pytest.mark.prove
@pytest.mark.timeout(3_600 if IS_PROVING else 300)
@pytest.mark.long
def test_a_retraining_survives_the_death_of_its_workers(environ: dict[str, str], tmp_path: Path, actor: Actor) -> None:
    settings = read_settings(environ)
    tape = write_tape(tmp_path / "tape.csv", invent_rows(400))
    done = CliRunner().invoke(
        cli, ["tape", "import", "--mapping", "lending_club_2016q1", "--book", "small", str(tape)], env=environ
    )
    assert done.exit_code == 0, done.output
    watcher = Watcher(settings)
    try:
        random, left, jobs = Random(SEED), KILLS, []
        while left:
            jobs.append(ask(watcher, actor))
            left -= run_to_end(environ, watcher, jobs[-1], random, left)
        for job_id in jobs:
            state, events = watcher.read(job_id)
            assert state is JobState.SUCCEEDED, events[-1].words
            check_steps(events)
        models = watcher.run(list_models(watcher.record, settings))
        assert models == [watcher.run(train_undisturbed(watcher.record))]
    finally:
        watcher.close()
