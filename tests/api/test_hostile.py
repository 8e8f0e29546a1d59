"""Bodies made to break a server, against a real one: each is refused or cut off, none costs memory, and the server goes on."""

import gzip
import re
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from instant_credit.api.bodies import DISCARD_BYTES_MAX
from instant_credit.application.complaints import BODY_BYTES_MAX
from tests.lending import House, Served, invent_body, serving

MEGABYTE = 1 << 20
HUGE = 100 * MEGABYTE
# What a server's memory may grow by for all of these together: buffers and garbage, and never a body.
GROWTH_MAX = 24 * MEGABYTE


def memory_of(server: Served) -> int:
    """Bytes of resident memory."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1_024


@pytest.fixture(scope="module")
def server(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of this module's own, whose memory no other test moves."""
    with serving(house.environ, tmp_path_factory.mktemp("hostile")) as opened:
        with httpx.Client(base_url=opened.address) as client:
            for seed in range(50):
                apply(house, client, seed)
        yield opened


def apply(house: House, client: httpx.Client, seed: int) -> int:
    body = invent_body(house.documents.product, Random(seed))
    headers = {"Authorization": f"Bearer {house.keys['all']}"}
    return client.post(house.apply_url, json=body, headers=headers).status_code


def head(house: House, *lines: str, target: str | None = None, key: str | None = None) -> bytes:
    told = (
        f"POST {target or house.apply_url} HTTP/1.1",
        "host: x",
        f"authorization: Bearer {house.keys['all'] if key is None else key}",
        "content-type: application/json",
        *lines,
        "",
        "",
    )
    return "\r\n".join(told).encode()


def send(server: Served, pieces: Iterable[bytes]) -> int | None:
    """Send until the other side has had enough; the status of its answer, None when it only closed."""
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as opened:
        try:
            for piece in pieces:
                opened.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while b"\r\n" not in answer and (more := opened.recv(4_096)):
                answer += more
        except ConnectionResetError:
            pass
    return int(answer.split(b" ", 2)[1]) if answer else None


def sized(house: House, body: bytes, **options: str) -> list[bytes]:
    return [head(house, f"content-length: {len(body)}", **options), body]


def chunked(house: House, chunk: bytes, times: int) -> Iterator[bytes]:
    yield head(house, "transfer-encoding: chunked")
    for _ in range(times):
        yield b"%x\r\n%s\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"


def announced(house: House, *lines: str, **options: str) -> Iterator[bytes]:
    """100 MB of digits, piece by piece."""
    yield head(house, *lines, **options)
    for _ in range(HUGE // MEGABYTE):
        yield b"1" * MEGABYTE


def encoded(house: House, name: str, body: bytes) -> list[bytes]:
    return [head(house, f"content-encoding: {name}", f"content-length: {len(body)}"), body]


def facts(text: str) -> bytes:
    return b'{"applicant":{"name":"A","identity_number":"12345","address":"B"},"facts":{%s}}' % text.encode()


def bomb() -> bytes:
    """A hundred megabytes of zeros in a hundred kilobytes."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(100)) + packer.flush()


DEEP = BODY_BYTES_MAX // 2 - 100
Craft = Callable[[House], Iterable[bytes]]
CRAFTED: dict[str, tuple[Craft, set[int | None]]] = {
    "100 MB announced": (lambda h: announced(h, f"content-length: {HUGE}"), {413, None}),
    "100 MB announced without a key": (lambda h: announced(h, f"content-length: {HUGE}", key="none"), {401, None}),
    "100 MB in chunks": (lambda h: chunked(h, b"1" * MEGABYTE, 100), {413, None}),
    "100 MB in chunks of one byte": (
        lambda h: [head(h, "transfer-encoding: chunked"), b"1\r\n1\r\n" * MEGABYTE * 2],
        {413, None},
    ),
    "100 MB to a route without a body": (
        lambda h: announced(h, f"content-length: {HUGE}", target=f"/v1/applications/{'0' * 8}/withdraw"),
        {404, None},
    ),
    "one chunk that is announced as endless": (
        lambda h: [head(h, "transfer-encoding: chunked"), b"f" * 17 + b"\r\n", b"1" * MEGABYTE],
        {400, None},
    ),
    "a length that is no number": (lambda h: [head(h, "content-length: 1e3"), b"{}"], {400}),
    "two lengths": (lambda h: [head(h, "content-length: 2", "content-length: 3"), b"{}"], {400}),
    "length and chunks at once": (
        lambda h: [head(h, "content-length: 2", "transfer-encoding: chunked"), b"0\r\n\r\n"],
        {400},
    ),
    "arrays nested deeply": (lambda h: sized(h, b"[" * DEEP + b"]" * DEEP), {400}),
    "objects nested deeply": (lambda h: sized(h, b'{"a":' * (DEEP // 4) + b"1" + b"}" * (DEEP // 4)), {400}),
    "a fact nested deeply": (
        lambda h: sized(h, facts('"term_months":' + "[" * 20_000 + "]" * 20_000)),
        {400, 422},
    ),
    "arrays never closed": (lambda h: sized(h, b"[" * BODY_BYTES_MAX), {400}),
    "a gzip bomb": (lambda h: encoded(h, "gzip", bomb()), {415, None}),
    "a gzip bomb in a gzip bomb": (lambda h: encoded(h, "gzip, gzip", gzip.compress(bomb())), {415}),
    "deflate": (lambda h: encoded(h, "deflate", zlib.compress(bytes(MEGABYTE))), {415}),
    "brotli by name": (lambda h: encoded(h, "br", b"\x00" * 100), {415}),
    "NaN": (lambda h: sized(h, facts('"term_months":NaN')), {400, 422}),
    "Infinity": (lambda h: sized(h, facts('"term_months":-Infinity')), {400, 422}),
    "an exponent without end": (lambda h: sized(h, facts('"term_months":1e999999999')), {400, 422}),
    "a tiny exponent": (lambda h: sized(h, facts('"revolving_utilisation":1e-999999999')), {422}),
    "sixty thousand digits": (lambda h: sized(h, facts('"term_months":' + "9" * 60_000)), {422}),
    "sixty thousand decimals": (lambda h: sized(h, facts('"revolving_utilisation":0.' + "9" * 60_000)), {422}),
    "a name sixty thousand characters long": (lambda h: sized(h, facts(f'"{"a" * 60_000}":1')), {422}),
    "ten thousand names": (lambda h: sized(h, facts(",".join(f'"a{n}":1' for n in range(6_000)))), {422}),
    "one name six thousand times": (lambda h: sized(h, facts(",".join(['"term_months":36'] * 3_500))), {422}),
    "a repeated section": (lambda h: sized(h, b'{"facts":{},"facts":{}}'), {422}),
    "a list of twenty thousand": (lambda h: sized(h, b"[" + b"1," * 20_000 + b"1]"), {422}),
    "lone surrogates": (lambda h: sized(h, facts('"purpose":"\\ud800\\udfff"')), {400, 422}),
    "broken UTF-8": (lambda h: sized(h, facts('"purpose":"') + b"\xff\xfe\xc0\xaf"), {400}),
    "UTF-16": (lambda h: sized(h, '{"facts":{}}'.encode("utf-16")), {400}),
    "zeros": (lambda h: sized(h, bytes(BODY_BYTES_MAX)), {400}),
    "a body that is a byte too long": (lambda h: sized(h, b" " * (BODY_BYTES_MAX + 1)), {413}),
    "a body at the bound of what is thrown away": (lambda h: sized(h, b" " * (DISCARD_BYTES_MAX + 1)), {413, None}),
    "chunk extensions without end": (
        lambda h: [head(h, "transfer-encoding: chunked"), b"1;" + b"a" * MEGABYTE * 4],
        {None},
    ),
    "trailers without end": (
        lambda h: [head(h, "transfer-encoding: chunked"), b"0\r\n", b"x: y\r\n" * MEGABYTE],
        {None},
    ),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_body_is_refused_and_costs_no_memory(house: House, server: Served, name: str) -> None:
    craft, expected = CRAFTED[name]
    before = memory_of(server)
    assert send(server, craft(house)) in expected
    assert memory_of(server) - before < GROWTH_MAX
    with httpx.Client(base_url=server.address) as client:
        assert client.get("/health/ready").status_code == 200
        assert apply(house, client, 1) == 201


def test_many_huge_bodies_at_once_cost_no_memory(house: House, server: Served) -> None:
    before, found = memory_of(server), list[int | None]()
    crafts = [CRAFTED[name] for name in ("100 MB announced", "100 MB in chunks", "a gzip bomb", "arrays nested deeply")]

    def run(craft: Craft, expected: set[int | None]) -> None:
        for _ in range(3):
            status = send(server, craft(house))
            if status not in expected:
                found.append(status)

    threads = [threading.Thread(target=run, args=one) for one in crafts * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == []
    assert memory_of(server) - before < GROWTH_MAX


def test_a_caller_who_never_reads_is_not_written_to_without_end(server: Served) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    before = memory_of(server)
    with socket.create_connection((host, int(port)), timeout=1) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
        try:
            for _ in range(2_000):
                opened.sendall(request * 50)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        assert httpx.get(f"{server.address}/health/live").status_code == 200
        assert memory_of(server) - before < GROWTH_MAX


def test_callers_who_leave_in_the_middle_are_forgotten(house: House, server: Served) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    for cut in range(0, 200, 2):
        whole = b"".join(sized(house, facts('"term_months":36')))
        with socket.create_connection((host, int(port)), timeout=5) as opened:
            # Closing sends a reset, not an end.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            opened.sendall(whole[:-cut] if cut else whole)
    with httpx.Client(base_url=server.address) as client:
        assert apply(house, client, 2) == 201


def test_nothing_of_this_was_a_failure_of_the_server(server: Served) -> None:
    counted = httpx.get(f"{server.address}/metrics").text
    assert re.search(r'instant_credit_request_seconds_count\{.*status="4', counted)
    assert not re.search(r'instant_credit_request_seconds_count\{.*status="5', counted)
    assert [line for line in server.log_lines() if line["level"] == "error"] == []
