"""The wire by itself: uvicorn with our protocol around an application that answers every request it gets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from instant_credit.api import wire
from instant_credit.api.wire import HEAD_BYTES_MAX, BoundedProtocol


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(answer, port=0, http=BoundedProtocol, ws="none", lifespan="off", log_config=None)
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
