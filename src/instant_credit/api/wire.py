"""The HTTP/1.1 wire: uvicorn's httptools protocol with bounds on a request's head, and a gate before its work.

httptools buffers a head of any length for any time; here a head that is too long is answered 431, and a connection that does not
finish its head in time is closed, as is one that frames a body without end or sends many requests ahead of their answers. The bodies'
bounds are in `bodies`.

A request that asks for another protocol is answered in this one (RFC 9110, 7.8): httptools would take its body for that protocol's, so its
head is read anew without the asking.

A request that finds the gate closed is answered as soon as its head is whole, with bytes that were encoded beforehand: no task, no
scope, no route. Its body is read and thrown away, and the connection stays. Health and metrics pass at any time.
"""

import asyncio
import sys
from collections.abc import Iterable
from functools import partial
from time import perf_counter_ns
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from instant_credit.api.bodies import DISCARD_BYTES_MAX
from instant_credit.api.deadlines import ARRIVED, find_timeout_ns
from instant_credit.api.gate import Cause, Gate
from instant_credit.api.problems import (
    FULL_DETAIL,
    HEADERS_TOO_LARGE,
    LATE_DETAIL,
    MALFORMED,
    MEDIA_TYPE,
    RETRY_AFTER_SECONDS,
    UNAVAILABLE,
    Kind,
    encode_problem,
)

HEAD_BYTES_MAX: Final = 16_384
HEAD_SECONDS_MAX: Final = 10.0
# Of one request, with the framing of chunks: a body has its own, narrower bounds, and answers by them.
REQUEST_BYTES_MAX: Final = HEAD_BYTES_MAX + 2 * DISCARD_BYTES_MAX
# Sent ahead of their answers on one connection: each waits in memory.
PIPELINED_MAX: Final = 16
REPLY: Final = "reply"
"""Under this name a request's state holds what writes a whole answer at once: given status, headers (names in lower case, with the length
of the body) and body, it says whether it did."""

Headers = Iterable[tuple[bytes, bytes]]
_UPGRADING: Final = frozenset({b"upgrade", b"http2-settings"})
OPEN_PATHS: Final = (b"/health/", b"/metrics")


def _encode_answer(kind: Kind, detail: str, *headers: str) -> tuple[bytes, bytes]:
    """Head without its last, empty line, and body."""
    body = encode_problem(kind, detail)
    lines = (
        f"HTTP/1.1 {kind.status} {kind.title}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        *headers,
        "",
    )
    return "\r\n".join(lines).encode("ascii"), body


_CLOSE: Final = b"connection: close\r\n"
_TURNED_AWAY: Final = {
    cause: _encode_answer(UNAVAILABLE, detail, f"retry-after: {RETRY_AFTER_SECONDS}", "cache-control: no-store")
    for cause, detail in ((Cause.FULL, FULL_DETAIL), (Cause.LATE, LATE_DETAIL))
}


class TooManyPipelined(Exception):
    """More requests were sent ahead of their answers than are kept; it stops the parser."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Parameters
    ----------
    gate : the process's gate; without one every request passes.
    """

    _is_in_head = True
    _head_bytes = 0
    _slow_timer: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None
    _is_reading = False
    _is_turned_away = False
    _is_closed_after = False
    _discarded_bytes = 0
    _is_upgrading = False
    _fed = b""

    def __init__(self, *args: Any, gate: Gate | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gate = Gate() if gate is None else gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the first head's timer."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer with the connection."""
        self._stop_timer()
        self._stop_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then refuse a head that is still open and already too long."""
        self._head_bytes += len(data)
        self._fed = data
        super().data_received(data)
        if self._is_in_head and self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(HEADERS_TOO_LARGE, f"A head has at most {HEAD_BYTES_MAX} bytes.")
        elif self._head_bytes > REQUEST_BYTES_MAX:
            self.transport.close()
        elif self._slow_timer is None and ((self._is_in_head and self._head_bytes) or self._is_turned_away):
            self._start_timer()
        running = self._running
        if running is not None and running is self.cycle and running.more_body and not self._is_reading:
            self._is_reading = True
            self._gate.begin_reading()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = max(self._head_bytes, 1)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what follows a body in chunks is dropped, since a head that was read must not change."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: the request is taken on, or turned away."""
        self._is_upgrading = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if self._is_upgrading:
            return
        if len(self.pipeline) >= PIPELINED_MAX:
            raise TooManyPipelined
        self._is_in_head = False
        self._stop_timer()
        # An answer ahead of this one on the same connection has to leave first: what was sent behind it waits for its turn.
        is_first = self.cycle is None or self.cycle.response_complete
        if is_first and not self.url.startswith(OPEN_PATHS):
            cause = self._gate.find_refusal(lambda: find_timeout_ns(self.headers))
            if cause is not None:
                self._turn_away(cause)
                return
        super().on_headers_complete()
        if self._gate.is_draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Keep the body, or throw it away where its request was turned away."""
        if not self._is_turned_away:
            super().on_body(body)
            return
        self._discarded_bytes += len(body)
        if self._discarded_bytes > DISCARD_BYTES_MAX:
            self.transport.close()

    def on_message_complete(self) -> None:
        """The request is whole: what comes next is a head again."""
        if self._is_upgrading:
            return
        if self._is_turned_away:
            self._end_turning_away()
        else:
            self._stop_reading()
            state = self.scope["state"]
            state[ARRIVED] = perf_counter_ns()
            state[REPLY] = partial(self._reply, self.cycle)
            super().on_message_complete()
        self._is_in_head = True
        self._head_bytes = 0

    def _unsupported_upgrade_warning(self) -> None:
        """Read the request as if it did not ask for another protocol; called while the parser's stop is handled."""
        stop = sys.exc_info()[1]
        if not self._is_upgrading or not isinstance(stop, httptools.HttpParserUpgrade):
            self.send_400_response("")
            return
        self._fed = self._write_head() + self._fed[stop.args[0] :]
        self.parser = httptools.HttpRequestParser(self)
        super().data_received(self._fed)

    def _write_head(self) -> bytes:
        """The head that was read, without what asks for another protocol."""
        version = self.parser.get_http_version().encode("ascii")
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            kept = value
            if name == b"connection":
                kept = b", ".join(one for part in value.split(b",") if (one := part.strip()).lower() not in _UPGRADING)
            if name not in _UPGRADING and (kept or name != b"connection"):
                lines.append(b"%b: %b" % (name, kept))
        return b"\r\n".join((*lines, b"", b""))

    def drain(self) -> None:
        """Ask for the connection to be closed with the answer that is under way, if its head has not left."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def close_idle(self) -> None:
        """Close the connection unless a request is under way or on its way."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and not self._is_turned_away and self._is_in_head and not self._head_bytes:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is answered in the form of every other failure."""
        if not self.transport.is_closing():
            self._refuse(MALFORMED, "This is not an HTTP/1.1 request.")

    def _turn_away(self, cause: Cause) -> None:
        self._is_turned_away = True
        self._discarded_bytes = 0
        # Who waits for leave to send a body may send none after a refusal, so nobody can tell where the next request begins.
        self._is_closed_after = (
            self._gate.is_draining
            or self.expect_100_continue
            or self.parser.get_http_version() != "1.1"
            or not self.parser.should_keep_alive()
        )
        if self.flow.write_paused:
            # It sends on and reads no answers.
            self.transport.close()
            return
        head, body = _TURNED_AWAY[cause]
        closing = _CLOSE if self._is_closed_after else b""
        self.transport.write(b"".join((head, closing, b"\r\n", b"" if self.parser.get_method() == b"HEAD" else body)))
        if self.expect_100_continue:
            self.transport.close()

    def _end_turning_away(self) -> None:
        self._is_turned_away = False
        self._stop_timer()
        if self._is_closed_after:
            self.transport.close()
        else:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        self._gate.begin(partial(self._run, cycle, app), self.loop.call_soon)

    def _run(self, cycle: RequestResponseCycle, app: Any) -> None:
        task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(partial(self._end_asgi_task, cycle))

    def _end_asgi_task(self, cycle: RequestResponseCycle, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        # It holds the cycle that holds it: left there, every request would wait for the garbage collection.
        cycle.scope["state"].pop(REPLY, None)
        if cycle is self._running:
            self._running = None
            self._stop_reading()
        self._gate.end(perf_counter_ns())

    def _reply(self, cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> bool:
        """Write a whole answer at once, as its two ASGI messages would be; False where it must go their way."""
        if cycle.disconnected or cycle.response_started or self.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        lines = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"\r\n" if cycle.keep_alive else _CLOSE + b"\r\n")
        lines.append(body)
        self.transport.write(b"".join(lines))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def _stop_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._gate.end_reading()

    def _refuse(self, kind: Kind, detail: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # An earlier answer is still being written; ours would fall into its middle.
            self.transport.close()
            return
        head, body = _encode_answer(kind, detail)
        self.transport.write(b"".join((head, _CLOSE, b"\r\n", body)))
        self.transport.close()

    def _start_timer(self) -> None:
        self._slow_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._close_slow)

    def _stop_timer(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None

    def _close_slow(self) -> None:
        self._slow_timer = None
        if not self.transport.is_closing():
            self.transport.close()
