"""The load generator of suite `http`: a process of its own that sends prepared applications and times each from when it was due.

    python -m benchmarks.http_load JOB.json      a `Job`; answers are written to its `result`, arrays by name (`.npz`)

Two ways. In a *closed loop* every connection sends its next application when the last one is answered: as fast as the server goes.
In an *open loop* applications are due at instants of a Poisson process with a fixed rate and a seed, whatever the server does; each is sent
on an idle connection, a new one where none is idle, and waits in here when there are as many as may be. Its latency counts from the
instant when it was due, so a server that stalls pays for everybody who came meanwhile.

It is a loop over `epoll` on plain sockets, not asyncio: libuv's and asyncio's timers know milliseconds only, and an application that is
sent half a millisecond late would blur what is measured. Heads are written beforehand; a running number in the idempotency key and
in the identity number makes each application another person's. A kept connection that the server has closed costs one more try on a
new one, within the same latency.
"""

import gc
import re
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

MARK = b"000000000000"
CONNECT_SECONDS = 5.0
# After the last application was due, answers are waited for so long; what is not answered then counts as failed.
LINGER_SECONDS = 15.0

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_STAGES = re.compile(rb"server-timing: read;dur=([\d.]+), decide;dur=([\d.]+), record;dur=([\d.]+)", re.IGNORECASE)


class Job(Struct, frozen=True, kw_only=True):
    """What to send where.

    Attributes
    ----------
    port, path, authorization : of the server on this machine; the header's value, "" for none.
    bodies : bodies of applications, taken in rotation; each holds `MARK` where the running number goes.
    connections : how many in a closed loop, most in an open one.
    rate : applications a second of an open loop; 0 = a closed loop.
    seconds, warmup_seconds : how long; what was due during the warm-up is left out of the result.
    seed : of the arrivals.
    first_number : running number of the first application; never used twice on one database.
    result : file of the arrays.
    """

    port: int
    path: str
    authorization: str
    bodies: tuple[str, ...]
    connections: int
    rate: float = 0.0
    seconds: float
    warmup_seconds: float = 0.0
    seed: int = 1
    first_number: int
    result: str


class _Wire:
    """One connection: what it waits for, and what came of it so far."""

    __slots__ = ("buffer", "due_ns", "is_used", "is_waiting", "request", "sent_ns", "socket")

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.buffer = b""
        self.request = b""
        self.due_ns = self.sent_ns = 0
        self.is_waiting = False
        self.is_used = False


class Load:
    """One job under way."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._address = ("127.0.0.1", job.port)
        self._requests = _number_requests(job)
        self._poll = select.epoll()
        self._wires: dict[int, _Wire] = {}
        self._idle: list[_Wire] = []
        self._rows: list[tuple[int, int, int, int]] = []
        self._stages: list[tuple[float, float, float]] = []
        self._resent = 0
        self._until_ns = 0

    def run(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """Send everything; the arrays of the result.

        Returns
        -------
        due, sent, done : int64[n], nanoseconds since the job began; status : int64[n], 0 = no answer; stages : float64[n, 3], milliseconds
        that the server says it spent reading, deciding and recording, NaN where it says nothing; resent, processor_ns : int64[1].
        """
        started_ns = time.perf_counter_ns()
        processor_ns = time.process_time_ns()
        if self._job.rate:
            self._run_open(started_ns)
        else:
            self._run_closed(started_ns)
        for wire in list(self._wires.values()):
            if wire.is_waiting:
                self._finish(wire, 0, b"")
            self._drop(wire)
        self._poll.close()
        rows = np.array(self._rows, np.int64).reshape(-1, 4)
        stages = np.array(self._stages, np.float64).reshape(-1, 3)
        order = np.argsort(rows[:, 0], kind="stable")
        rows, stages = rows[order], stages[order]
        rows[:, :3] -= started_ns
        kept = rows[:, 0] >= int(self._job.warmup_seconds * 1e9)
        if not self._job.rate:
            kept &= rows[:, 2] <= self._until_ns - started_ns
        due, sent, done, status = rows[kept].T
        spent = np.array([time.process_time_ns() - processor_ns])
        return {
            "due": due,
            "sent": sent,
            "done": done,
            "status": status,
            "stages": stages[kept],
            "resent": np.array([self._resent]),
            "processor_ns": spent,
        }

    def _run_closed(self, started_ns: int) -> None:
        job = self._job
        self._until_ns = started_ns + int((job.warmup_seconds + job.seconds) * 1e9)
        for _ in range(job.connections):
            self._send(self._open(), time.perf_counter_ns(), next(self._requests))
        while (now_ns := time.perf_counter_ns()) < self._until_ns + int(LINGER_SECONDS * 1e9):
            self._wait((self._until_ns - now_ns) / 1e9 if now_ns < self._until_ns else LINGER_SECONDS)
            now_ns = time.perf_counter_ns()
            while self._idle and now_ns < self._until_ns:
                self._send(self._idle.pop(), now_ns, next(self._requests))
            if now_ns >= self._until_ns and len(self._idle) == len(self._wires):
                return

    def _run_open(self, started_ns: int) -> None:
        job = self._job
        total = round((job.warmup_seconds + job.seconds) * job.rate)
        gaps = np.random.default_rng(job.seed).exponential(1e9 / job.rate, total)
        dues = (started_ns + np.cumsum(gaps)).astype(np.int64).tolist()
        last_ns = dues[-1] + int(LINGER_SECONDS * 1e9)
        backlog: deque[int] = deque()
        coming = 0
        while (now_ns := time.perf_counter_ns()) < last_ns:
            while coming < total and dues[coming] <= now_ns:
                backlog.append(dues[coming])
                coming += 1
            while backlog and (self._idle or len(self._wires) < job.connections):
                wire = self._idle.pop() if self._idle else self._open()
                self._send(wire, backlog.popleft(), next(self._requests))
            if coming == total and not backlog and len(self._idle) == len(self._wires):
                return
            until_ns = dues[coming] if coming < total else last_ns
            self._wait((until_ns - time.perf_counter_ns()) / 1e9)
        self._rows.extend((due, last_ns, last_ns, 0) for due in backlog)
        self._stages.extend((np.nan, np.nan, np.nan) for _ in backlog)

    def _wait(self, seconds: float) -> None:
        """Take every answer that is there, or the first one that comes within `seconds`.

        `select` knows microseconds where `epoll` knows milliseconds, and takes any number of sockets as the one poll that holds them.
        """
        if not (events := self._poll.poll(0)):
            if not select.select([self._poll], (), (), max(seconds, 0.0))[0]:
                return
            events = self._poll.poll(0)
        for number, _ in events:
            wire = self._wires.get(number)
            if wire is not None:
                self._read(wire)

    def _open(self) -> _Wire:
        opened = socket.create_connection(self._address, CONNECT_SECONDS)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setblocking(False)
        wire = self._wires[opened.fileno()] = _Wire(opened)
        self._poll.register(opened, select.EPOLLIN)
        return wire

    def _drop(self, wire: _Wire) -> None:
        number = wire.socket.fileno()
        self._poll.unregister(number)
        del self._wires[number]
        wire.socket.close()
        if wire in self._idle:
            self._idle.remove(wire)

    def _send(self, wire: _Wire, due_ns: int, request: bytes) -> None:
        wire.due_ns, wire.is_waiting, wire.request = due_ns, True, request
        wire.sent_ns = time.perf_counter_ns()
        try:
            sent = wire.socket.send(request)
        except (BrokenPipeError, ConnectionResetError):
            self._lose(wire)
            return
        if sent < len(request):
            raise SystemExit("an application does not fit into a socket's buffer: send smaller bodies")

    def _read(self, wire: _Wire) -> None:
        try:
            chunk = wire.socket.recv(65_536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            self._lose(wire)
            return
        answer = wire.buffer + chunk if wire.buffer else chunk
        end = answer.find(b"\r\n\r\n")
        length = _LENGTH.search(answer, 0, end) if end >= 0 else None
        if end < 0 or (length is not None and len(answer) < end + 4 + int(length[1])):
            wire.buffer = answer
            return
        head = answer[:end]
        self._finish(wire, int(head[9:12]), head)
        wire.buffer = b""
        wire.is_used = True
        if length is None or b"connection: close" in head.lower():
            self._drop(wire)
        else:
            self._idle.append(wire)

    def _lose(self, wire: _Wire) -> None:
        """The server closed the connection: between two answers it may, and the application goes out once more on a new one."""
        is_waiting, was_kept = wire.is_waiting, wire.is_used and not wire.buffer
        due_ns, request = wire.due_ns, wire.request
        if is_waiting and not was_kept:
            self._finish(wire, 0, b"")
        self._drop(wire)
        if is_waiting and was_kept:
            self._resent += 1
            self._send(self._open(), due_ns, request)

    def _finish(self, wire: _Wire, status: int, head: bytes) -> None:
        self._rows.append((wire.due_ns, wire.sent_ns, time.perf_counter_ns(), status))
        told = _STAGES.search(head)
        self._stages.append(
            (np.nan, np.nan, np.nan) if told is None else (float(told[1]), float(told[2]), float(told[3]))
        )
        wire.is_waiting = False


def _number_requests(job: Job) -> Iterator[bytes]:
    """Whole requests, each with the next running number as idempotency key and in the applicant's identity."""
    authorization = f"Authorization: {job.authorization}\r\n" if job.authorization else ""
    prepared = []
    for body in job.bodies:
        raw = body.encode()
        before, mark, after = raw.partition(MARK)
        if not mark:
            raise SystemExit("a body has no place for the running number")
        head = (
            f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\n{authorization}"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\nIdempotency-Key: bench-"
        )
        prepared.append((head.encode(), b"\r\n\r\n" + before, after))
    number = job.first_number
    while True:
        head_bytes, before, after = prepared[number % len(prepared)]
        told = b"%012d" % number
        yield b"".join((head_bytes, told, before, told, after))
        number += 1


def main() -> None:
    """Run the job that the command line names."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
    gc.disable()
    np.savez(job.result, allow_pickle=False, **Load(job).run())


if __name__ == "__main__":
    main()
