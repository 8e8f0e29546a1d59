"""What both clients are opened with, and how much of a response they take in."""

import ssl
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from instant_credit.client.attempts import Lost
from instant_credit.client.calls import Reply
from instant_credit.errors import Refused
from instant_credit.record.clock import Clock

ANSWER_BYTES_MAX: Final = 8 * 1_048_576
CONNECTIONS_DEFAULT: Final = 20
KEY_LENGTH_MAX: Final = 256
# A server closes a connection that was idle for 30 s: let go of it first, or a request may meet the closing.
IDLE_SECONDS_MAX: Final = 20.0


def http_options(address: str, key: str, connections: int, tls: ssl.SSLContext | None) -> dict[str, Any]:
    """What `httpx.Client` and `httpx.AsyncClient` take alike.

    Raises
    ------
    Refused : `address` is no plain http or https URL, or `key` can be no API key; neither is quoted, since they may hold secrets.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Refused("the server's address is http:// or https:// and a host, without login, query and fragment")
    if not 1 <= len(key) <= KEY_LENGTH_MAX or not all("!" <= character <= "~" for character in key):
        raise Refused(f"an API key is 1 to {KEY_LENGTH_MAX} visible ASCII characters")
    if connections < 1:
        raise Refused("a client needs at least one connection")
    return {
        "base_url": address,
        "headers": {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"},
        "limits": httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=IDLE_SECONDS_MAX
        ),
        "follow_redirects": False,
        "verify": tls or _default_tls(parts.scheme),
    }


def _default_tls(scheme: str) -> ssl.SSLContext:
    """The certificate authorities that httpx trusts; where nothing is encrypted none are read, which takes longer than many calls."""
    return httpx.create_ssl_context() if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Incoming:
    """A response while it arrives: bounded in bytes and in time.

    Parameters
    ----------
    until_ns : instant of the clock's monotonic time at which the attempt ends.
    """

    def __init__(self, response: httpx.Response, clock: Clock, until_ns: int) -> None:
        self._response = response
        self._clock = clock
        self._until_ns = until_ns
        self._chunks: list[bytes] = []
        self._size = 0
        self.lost: Lost | None = None

    def take(self, chunk: bytes) -> bool:
        """Whether to read on."""
        self._size += len(chunk)
        self._chunks.append(chunk)
        if self._size > ANSWER_BYTES_MAX:
            self.lost = Lost(how="AnswerTooLarge")
        elif self._clock.monotonic_ns() > self._until_ns:
            self.lost = Lost(how="AnswerTooSlow")
        return self.lost is None

    def end(self) -> Reply | Lost:
        """What came."""
        if self.lost is not None:
            return self.lost
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return Reply(status=self._response.status_code, headers=headers, body=b"".join(self._chunks))
