"""A server as a process of its own, for as long as a block runs."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Timer
from typing import Final

from instant_credit.errors import Refused

START_SECONDS: Final = 120
END_SECONDS: Final = 30


@contextmanager
def served(environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """`instant-credit serve` on a free port; gives its address.

    Parameters
    ----------
    environ : the server's whole environment; None = this process's own.

    Raises
    ------
    Refused : it ended, or did not listen within `START_SECONDS`.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "instant_credit.commands", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ,
    )
    try:
        yield _read_address(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _read_address(process: subprocess.Popen[str]) -> str:
    """The address that the server prints. Killed when it is late, it ends its output."""
    assert process.stdout is not None
    late = Timer(START_SECONDS, process.kill)
    late.start()
    try:
        for line in process.stdout:
            if found := re.search(r"Serving (http://\S+)", line):
                return found[1]
    finally:
        late.cancel()
    raise Refused("the server ended before it listened; `instant-credit serve` says why")
