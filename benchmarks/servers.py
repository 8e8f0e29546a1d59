"""Servers as processes of their own: started, asked for their memory, ended by a signal as they would be in their life."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn

END_SECONDS = 60


@dataclass(frozen=True)
class Started:
    """A server that listens."""

    process_id: int
    port: int

    def resident_bytes(self) -> int:
        """Its resident memory now; 0 where the system does not tell."""
        return _read_memory(self.process_id, "VmRSS")

    def peak_bytes(self) -> int:
        """Its resident memory at its peak; 0 where the system does not tell."""
        return _read_memory(self.process_id, "VmHWM")


@contextmanager
def started(command: Sequence[str], environ: Mapping[str, str]) -> Iterator[Started]:
    """Run `command`, which prints `Serving http://HOST:PORT` when it listens, for as long as the block runs."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ)
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "Serving" in line), "")
        found = re.search(r"Serving (http://\S+)", line)
        if found is None:
            raise SystemExit(f"{' '.join(command[1:3])} ended before it listened; run it by itself to see why")
        yield Started(process.pid, urlsplit(found[1]).port or 0)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def peak_bytes(process_id: int) -> int:
    """A process's resident memory at its peak; 0 where the system does not tell."""
    return _read_memory(process_id, "VmHWM")


class _Telling(uvicorn.Server):
    """Says that it listens when it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for opened in sockets or ():
            print(f"Serving http://127.0.0.1:{opened.getsockname()[1]}", flush=True)


async def serve_peer(app: Any) -> None:
    """Serve a peer's ASGI application on a free port until a signal, on the parts that ours is served by: uvicorn and httptools."""
    config = uvicorn.Config(
        app, http="httptools", ws="none", log_config=None, access_log=False, server_header=False, backlog=2048
    )
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        await _Telling(config).serve([opened])


def _read_memory(process_id: int, name: str) -> int:
    status = Path(f"/proc/{process_id}/status")
    if not status.exists():
        return 0
    return sum(int(told) for told in re.findall(rf"{name}:\s+(\d+) kB", status.read_text())) * 1024
