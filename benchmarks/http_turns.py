"""Suite `http`'s turns: a load on one server, as a process of its own, and what came back."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.http_load import Job
from benchmarks.servers import Started

ACCEPTED = 201
REFUSED = (429, 503)
WARMUP_SECONDS = 1.0
# Running numbers of one turn; no turn sends more applications.
_NUMBERS = 10_000_000
_TURNS = count(1)

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Target:
    """A server under load: how to apply there, and with what bodies."""

    server: Started
    path: str
    authorization: str
    bodies: tuple[str, ...]


@dataclass(frozen=True)
class Turn:
    """What came of one load.

    Attributes
    ----------
    due_ns, sent_ns, done_ns, status : int64[n], in order of `due_ns`, since the load began; status 0 = no answer.
    stages_ms : float64[n, 3], what the server says of its stages.
    seconds : how long applications were due, without the warm-up.
    processor_seconds : what the load generator itself spent.
    resent : applications that went out twice because a kept connection was closed.
    """

    due_ns: Longs
    sent_ns: Longs
    done_ns: Longs
    status: Longs
    stages_ms: NDArray[np.float64]
    seconds: float
    processor_seconds: float
    resent: int

    @property
    def is_clean(self) -> bool:
        """Whether every application was accepted."""
        return bool(len(self.status)) and bool((self.status == ACCEPTED).all())

    def accepted_ns(self) -> list[int]:
        """Latencies of what was accepted, from when it was due."""
        return self._latencies(self.status == ACCEPTED)

    def refused_ns(self) -> list[int]:
        """Latencies of what was refused for want of room."""
        return self._latencies(np.isin(self.status, REFUSED))

    def failed(self) -> int:
        """How many were neither accepted nor refused for want of room."""
        return int((~np.isin(self.status, (ACCEPTED, *REFUSED))).sum())

    def rate(self) -> float:
        """Accepted applications a second."""
        return float((self.status == ACCEPTED).sum()) / self.seconds

    def slices(self, number: int) -> list[int]:
        """Nanoseconds an accepted application in each of `number` equal slices of the time; a slice without one counts as half a one."""
        done = self.done_ns[self.status == ACCEPTED] - int(WARMUP_SECONDS * 1e9)
        counts, _ = np.histogram(done, bins=number, range=(0.0, self.seconds * 1e9))
        width_ns = self.seconds * 1e9 / number
        return [round(width_ns / max(float(one), 0.5)) for one in counts]

    def stage_ns(self, stage: int) -> list[int]:
        """Nanoseconds of one stage, of every accepted application that tells them."""
        told = self.stages_ms[self.status == ACCEPTED, stage]
        return [int(one) for one in np.round(told[~np.isnan(told)] * 1e6)]

    def _latencies(self, chosen: NDArray[np.bool_]) -> list[int]:
        return [int(one) for one in (self.done_ns - self.due_ns)[chosen]]


def take_turn(
    target: Target,
    *,
    seconds: float,
    connections: int,
    rate: float = 0.0,
    seed: int = 1,
    watch: list[int] | None = None,
) -> Turn:
    """Put a load on a server; see `http_load.Job`.

    Parameters
    ----------
    watch : the server's resident memory is appended to it every second.
    """
    with TemporaryDirectory() as folder:
        job = Job(
            port=target.server.port,
            path=target.path,
            authorization=target.authorization,
            bodies=target.bodies,
            connections=connections,
            rate=rate,
            seconds=seconds,
            warmup_seconds=WARMUP_SECONDS,
            seed=seed,
            first_number=next(_TURNS) * _NUMBERS,
            result=str(Path(folder) / "answers.npz"),
        )
        told = Path(folder) / "job.json"
        told.write_bytes(msgspec.json.encode(job))
        command = [sys.executable, "-m", "benchmarks.http_load", str(told)]
        with subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1]) as process:
            for _ in _every_second(process):
                if watch is not None:
                    watch.append(target.server.resident_bytes())
        if process.returncode:
            raise SystemExit("the load generator failed")
        with np.load(job.result) as found:
            return Turn(
                due_ns=found["due"],
                sent_ns=found["sent"],
                done_ns=found["done"],
                status=found["status"],
                stages_ms=found["stages"],
                seconds=seconds,
                processor_seconds=float(found["processor_ns"][0]) / 1e9,
                resent=int(found["resent"][0]),
            )


def _every_second(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Give way to the caller once a second while a process runs."""
    while True:
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            yield
        else:
            return
