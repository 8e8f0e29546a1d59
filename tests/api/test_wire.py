"""The wire by itself: uvicorn with our protocol around an application that answers every request it gets."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import uvicorn

from instant_credit.api import wire
from instant_credit.api.bodies import DISCARD_BYTES_MAX
from instant_credit.api.gate import MOST, Gate
from instant_credit.api.wire import HEAD_BYTES_MAX, PIPELINED_MAX, REPLY, REQUEST_BYTES_MAX, BoundedProtocol


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def answer_whole(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass
    await answer(scope, receive, send)


@asynccontextmanager
async def listening(
    gate: Gate | None = None, app: Callable[..., Any] = answer
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    protocol: Any = partial(BoundedProtocol, gate=gate)
    config = uvicorn.Config(app, port=0, http=protocol, ws="none", lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.force_exit = True
        await server.shutdown()


async def talk(raw: bytes) -> tuple[int, dict[str, Any] | None]:
    async with listening() as (reader, writer):
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if b"problem+json" not in head:
            return status, None
        return status, json.loads(await reader.read())


@pytest.mark.anyio
async def test_a_request_passes() -> None:
    assert await talk(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n") == (200, None)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the method, the names of the headers and the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    told = b" ".join((scope["method"].encode(), *sorted(name for name, _ in scope["headers"]), body))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(told))]})
    await send({"type": "http.response.body", "body": told})


UPGRADES = {
    "h2c": b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
    "websocket": b"connection: keep-alive, Upgrade\r\nupgrade: websocket\r\n",
}
BODIES = {
    "by length": (b"content-length: 4\r\n", b"body"),
    "in chunks": (b"transfer-encoding: chunked\r\n", b"4\r\nbody\r\n0\r\n\r\n"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("framing", BODIES)
@pytest.mark.parametrize("asked", UPGRADES)
async def test_who_asks_for_another_protocol_is_answered_in_this_one(asked: str, framing: str, pieces: int) -> None:
    length, body = BODIES[framing]
    raw = b"POST / HTTP/1.1\r\nhost: x\r\n" + UPGRADES[asked] + length + b"\r\n" + body
    kept = b"connection host" if asked == "websocket" else b"host"
    name = length.split(b":")[0]
    told = b"POST " + b" ".join(sorted((*kept.split(), name))) + b" body"
    async with listening(app=echo) as (reader, writer):
        for _ in range(2):
            size = -(-len(raw) // pieces)
            for place in range(0, len(raw), size):
                writer.write(raw[place : place + size])
                await writer.drain()
                await asyncio.sleep(0)
            assert (await reader.readuntil(told)).startswith(b"HTTP/1.1 200")
        writer.write(2 * raw + b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        for one in (told, told, b"GET host "):
            assert (await reader.readuntil(one)).startswith(b"HTTP/1.1 200")


@pytest.mark.anyio
async def test_who_asks_for_a_tunnel_is_refused() -> None:
    status, problem = await talk(b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n")
    assert status == 400
    assert problem is not None


@pytest.mark.anyio
async def test_a_head_that_never_ends_is_refused() -> None:
    status, problem = await talk(b"GET / HTTP/1.1\r\nx: " + b"a" * (HEAD_BYTES_MAX + 1))
    assert status == 431
    assert problem is not None
    assert problem["status"] == 431


@pytest.mark.anyio
async def test_many_small_headers_are_refused_in_sum() -> None:
    status, _ = await talk(b"GET / HTTP/1.1\r\n" + b"x: abcdefgh\r\n" * (HEAD_BYTES_MAX // 12))
    assert status == 431


@pytest.mark.anyio
@pytest.mark.parametrize(
    "raw", [b"hello\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00"]
)
async def test_what_is_not_http_gets_a_problem_document(raw: bytes) -> None:
    status, problem = await talk(raw)
    assert status == 400
    assert problem is not None
    assert problem["type"] == "urn:instant-credit:problem:malformed-request"


@pytest.mark.anyio
async def test_a_head_that_takes_too_long_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS_MAX", 0.01)
    async with listening() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost:")
        assert await reader.read() == b""


@pytest.mark.anyio
async def test_a_second_head_on_one_connection_is_bounded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_BYTES_MAX", 200)
    request = b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 120 + b"\r\n\r\n"
    async with listening() as (reader, writer):
        for _ in range(3):
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")


@pytest.mark.anyio
async def test_a_body_in_pieces_does_not_count_as_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_BYTES_MAX", 200)
    async with listening() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4000\r\n\r\n")
        writer.write(b"a" * 2000)
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        writer.write(b"a" * 2000 + b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")


def full_gate() -> Gate:
    """All places are taken by requests that never end."""
    gate = Gate()
    turns: list[Callable[[], None]] = []
    for _ in range(MOST):
        gate.begin(lambda: None, turns.append)
    while turns:
        turns.pop()()
    return gate


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Status, head and body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head[9:12]), head, await reader.readexactly(length)


@pytest.mark.anyio
async def test_a_full_server_turns_away_and_keeps_the_connection() -> None:
    gate = full_gate()
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n"
    async with listening(gate) as (reader, writer):
        for body in (b"abcde", b"fghij"):
            writer.write(post)
            status, head, told = await read_answer(reader)
            assert status == 503
            assert b"\r\nretry-after: 1\r\n" in head
            assert b"connection: close" not in head
            assert "The server is full" in json.loads(told)["detail"]
            writer.write(body)
        gate.end(0)
        writer.write(post + b"abcde")
        assert (await read_answer(reader))[0] == 200
    assert gate.under_way == MOST - 1


@pytest.mark.anyio
@pytest.mark.parametrize("path", [b"/health/live", b"/health/ready", b"/metrics"])
async def test_health_and_metrics_are_answered_by_a_full_server(path: bytes) -> None:
    async with listening(full_gate()) as (reader, writer):
        writer.write(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await read_answer(reader))[0] == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    ],
)
async def test_who_may_not_send_another_request_is_turned_away_with_a_close(head: bytes) -> None:
    async with listening(full_gate()) as (reader, writer):
        writer.write(head)
        status, answered, _ = await read_answer(reader)
        assert status == 503
        assert b"connection: close" in answered
        assert await reader.read() == b""


@pytest.mark.anyio
async def test_a_head_asked_for_alone_is_refused_by_a_head_alone() -> None:
    async with listening(full_gate()) as (reader, writer):
        writer.write(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503")
        writer.write(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await read_answer(reader))[0] == 200


@pytest.mark.anyio
async def test_a_body_of_one_turned_away_is_thrown_away_within_bounds() -> None:
    async with listening(full_gate()) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (2 * DISCARD_BYTES_MAX))
        assert (await read_answer(reader))[0] == 503
        writer.write(bytes(DISCARD_BYTES_MAX + 1))
        with suppress(ConnectionResetError):
            assert await reader.read() == b""


@pytest.mark.anyio
async def test_a_body_of_one_turned_away_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS_MAX", 0.01)
    async with listening(full_gate()) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n")
        assert (await read_answer(reader))[0] == 503
        assert await reader.read() == b""


@pytest.mark.anyio
async def test_a_request_behind_another_one_waits_for_its_turn() -> None:
    gate = full_gate()
    gate.end(0)
    async with listening(gate, answer_whole) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\na" * 3)
        for _ in range(3):
            assert (await read_answer(reader))[0] == 200
    assert gate.under_way == MOST - 1


@pytest.mark.anyio
async def test_a_request_takes_a_place_once_its_body_has_come() -> None:
    gate = Gate()
    async with listening(gate, answer_whole) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        await reader.readuntil(b"100 Continue\r\n\r\n")
        writer.write(b"a")
        assert gate.under_way == 0
        writer.write(b"b")
        assert (await read_answer(reader))[0] == 200
    assert gate.under_way == 0


@pytest.mark.anyio
async def test_a_sender_that_leaves_in_the_middle_leaves_no_trace() -> None:
    gate = Gate()
    ended = asyncio.Event()

    async def wait(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        ended.set()

    async with listening(gate, wait) as (_, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na")
        writer.close()
        await asyncio.wait_for(ended.wait(), 20)
    assert gate.under_way == 0
    for _ in range(MOST):
        assert gate.find_refusal(lambda: None) is None
        gate.begin(lambda: None, lambda _: None)


@pytest.mark.anyio
async def test_a_server_that_drains_asks_for_connections_to_be_closed() -> None:
    gate = Gate()
    async with listening(gate) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"connection: close" not in (await read_answer(reader))[1]
        gate.is_draining = True
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"connection: close" in (await read_answer(reader))[1]
        assert await reader.read() == b""


@pytest.mark.anyio
async def test_what_follows_a_body_in_chunks_is_no_header() -> None:
    seen: list[bytes] = []

    async def listen(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        seen.extend(name for name, _ in scope["headers"])
        await answer(scope, receive, send)

    async with listening(app=listen) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"1\r\na\r\n0\r\nauthorization: y\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
    assert seen == [b"host", b"transfer-encoding"]


@pytest.mark.anyio
async def test_a_body_framed_without_end_ends_the_connection() -> None:
    async with listening(app=answer_whole) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;")
        writer.write(b"a" * (REQUEST_BYTES_MAX + 1))
        assert await reader.read() == b""


@pytest.mark.anyio
async def test_so_many_requests_may_be_sent_ahead_of_their_answers() -> None:
    request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
    async with listening() as (reader, writer):
        writer.write(request * (PIPELINED_MAX + 1))
        for _ in range(PIPELINED_MAX + 1):
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
    async with listening() as (reader, writer):
        writer.write(request * (PIPELINED_MAX + 2))
        assert await reader.read() == b""


async def reply(scope: Any, receive: Any, send: Any) -> None:
    """Answer at once what asks for it, and in two messages what does not."""
    status, body = 201, b'{"a":1}'
    headers = [(b"cache-control", b"no-store"), (b"content-length", b"%d" % len(body))]
    if scope["path"] == "/whole" and scope["state"][REPLY](status, headers, body):
        assert not scope["state"][REPLY](status, headers, body), "an answer is written once"
        return
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.anyio
@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_whole_answer_has_the_bytes_of_its_two_messages(version: bytes, more: bytes) -> None:
    seen = []
    for path in (b"/whole", b"/parts"):
        async with listening(app=reply) as (reader, writer):
            writer.write(
                b"POST " + path + b" HTTP/" + version + b"\r\nhost: x\r\n" + more + b"content-length: 0\r\n\r\n"
            )
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(7)
            is_closed = bool(more) or version == b"1.0"
            if not is_closed:
                writer.write(b"GET /whole HTTP/1.1\r\nhost: x\r\n\r\n")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201")
            else:
                assert await reader.read() == b""
            seen.append((re.sub(rb"date: [^\r]*", b"", head), body))
    assert seen[0] == seen[1]
    assert seen[0][1] == b'{"a":1}'


@pytest.mark.anyio
async def test_whoever_has_gone_gets_no_whole_answer() -> None:
    told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    reached = asyncio.Event()

    async def wait(scope: Any, receive: Any, send: Any) -> None:
        reached.set()
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        told.set_result(scope["state"][REPLY](200, [(b"content-length", b"2")], b"ok"))

    async with listening(app=wait) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await reached.wait()
        writer.close()
        assert not await told
