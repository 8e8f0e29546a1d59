"""Reading a body whose sender is slow, leaves, or lies."""

import asyncio
from typing import Any

import pytest
from litestar import Request

from instant_credit.api import bodies
from instant_credit.api.bodies import BODY_BYTES_MAX, DISCARD_BYTES_MAX, read_body
from instant_credit.api.problems import Failure

pytestmark = pytest.mark.anyio


def request(events: list[dict[str, Any]], headers: list[tuple[bytes, bytes]] | None = None) -> Request[Any, Any, Any]:
    waiting = iter(events)

    async def receive() -> Any:
        try:
            return next(waiting)
        except StopIteration:
            await asyncio.Event().wait()

    scope: Any = {"type": "http", "method": "POST", "headers": headers or [], "path": "/", "state": {}}
    return Request(scope, receive=receive)


def piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_pieces_are_joined() -> None:
    assert await read_body(request([piece(b"a"), piece(b"b"), piece(b"", more=False)])) == b"ab"


async def test_a_body_may_fill_its_bound() -> None:
    whole = b"x" * BODY_BYTES_MAX
    assert await read_body(request([piece(whole, more=False)])) == whole


async def test_a_sender_who_leaves_ends_the_request() -> None:
    with pytest.raises(Failure) as caught:
        await read_body(request([piece(b"a"), {"type": "http.disconnect"}]))
    assert caught.value.kind.status == 400


async def test_a_slow_sender_runs_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS_MAX", 0.01)
    with pytest.raises(Failure) as caught:
        await read_body(request([piece(b"a")]))
    assert caught.value.kind.status == 408
    assert caught.value.headers == {"Connection": "close"}


async def test_a_body_somewhat_too_large_is_read_to_its_end_and_refused() -> None:
    with pytest.raises(Failure) as caught:
        await read_body(request([piece(b"x" * BODY_BYTES_MAX), piece(b"y", more=False)]))
    assert caught.value.kind.status == 413
    assert caught.value.headers == {}


async def test_a_huge_body_is_cut_off() -> None:
    with pytest.raises(Failure) as caught:
        await read_body(request([piece(b"x" * DISCARD_BYTES_MAX), piece(b"y")]))
    assert caught.value.kind.status == 413
    assert caught.value.headers == {"Connection": "close"}


@pytest.mark.parametrize("length", [b"99999999", b"-1", b"abc", b"9" * 5000])
async def test_an_absurd_announcement_is_refused_before_anything_is_read(length: bytes) -> None:
    with pytest.raises(Failure) as caught:
        await read_body(request([], [(b"content-length", length)]))
    assert caught.value.kind.status == 413
