"""The HTTP/1.1 wire: uvicorn's httptools protocol with a bound on a request's head, in bytes and in time.

httptools buffers a head of any length for any time; here a head that is too long is answered 431, and a connection that does not
finish its head in time is closed. The bodies' bounds are in `bodies`.
"""

import asyncio
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from instant_credit.api.problems import HEADERS_TOO_LARGE, MALFORMED, MEDIA_TYPE, Kind, encode_problem

HEAD_BYTES_MAX: Final = 16_384
HEAD_SECONDS_MAX: Final = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _is_in_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the first head's timer."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer with the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then refuse a head that is still open and already too long."""
        self._head_bytes += len(data)
        if self._is_in_head and self._head_timer is None:
            self._start_timer()
        super().data_received(data)
        if self._is_in_head and self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(HEADERS_TOO_LARGE, f"A head has at most {HEAD_BYTES_MAX} bytes.")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._is_in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole: what comes next is a head again."""
        super().on_message_complete()
        self._is_in_head = True
        self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is answered in the form of every other failure."""
        if not self.transport.is_closing():
            self._refuse(MALFORMED, "This is not an HTTP/1.1 request.")

    def _refuse(self, kind: Kind, detail: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # An earlier answer is still being written; ours would fall into its middle.
            self.transport.close()
            return
        body = encode_problem(kind, detail)
        head = (
            f"HTTP/1.1 {kind.status} {kind.title}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._close_slow)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
