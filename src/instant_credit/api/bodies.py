"""Reading a request's body within its bounds: type, encoding, size and time."""

import asyncio
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request
from litestar.types import Scope
from msgspec import Struct

from instant_credit.api.deadlines import begin_again, is_whole
from instant_credit.api.problems import MALFORMED, TOO_LARGE, TOO_SLOW, WRONG_MEDIA_TYPE, Failure, Kind
from instant_credit.application.complaints import BODY_BYTES_MAX
from instant_credit.application.invalid import point_at
from instant_credit.canonical import UNREADABLE
from instant_credit.errors import Problem

T = TypeVar("T", bound=Struct)

JSON: Final = b"application/json"
BODY_SECONDS_MAX: Final = 10.0
# A body somewhat too large is read and thrown away, so that its sender gets to read the answer; a huge one is cut off.
DISCARD_BYTES_MAX: Final = 16 * BODY_BYTES_MAX
_CLOSE: Final = {"Connection": "close"}


def header_values(scope: Scope, name: bytes) -> list[bytes]:
    """Every value of the header `name` (lower case), in the order of sending."""
    return [value for key, value in scope["headers"] if key == name]


def require_json(scope: Scope, *, also: bytes = JSON) -> None:
    """Raise `Failure` 415 unless the body is announced as plain JSON in UTF-8; `also` is another media type that is JSON."""
    encodings = header_values(scope, b"content-encoding")
    if any(value.strip().lower() not in (b"", b"identity") for value in encodings):
        raise Failure(WRONG_MEDIA_TYPE, "Send the body without a content encoding.")
    announced = header_values(scope, b"content-type")
    if len(announced) == 1:
        essence, *parameters = (part.strip().lower() for part in announced[0].split(b";"))
        is_utf8 = all(p in (b"", b"charset=utf-8", b'charset="utf-8"') for p in parameters)
        if essence in (JSON, also) and is_utf8:
            return
    raise Failure(WRONG_MEDIA_TYPE, "Send Content-Type: application/json.")


async def read_body(request: Request[Any, Any, Any]) -> bytes:
    """The whole body, at most `BODY_BYTES_MAX` bytes. Where it still came, the caller's time begins with its end.

    Raises
    ------
    Failure : 413 when it is larger, 408 when it does not arrive within `BODY_SECONDS_MAX`, 400 when it ends early.
    """
    announced = header_values(request.scope, b"content-length")
    if announced and (not announced[0].isdigit() or int(announced[0][:20]) > DISCARD_BYTES_MAX):
        raise _too_large(_CLOSE)
    if is_whole(request.scope):
        return await _receive(request)
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            body = await _receive(request)
    except TimeoutError as error:
        detail = f"Send the whole body within {BODY_SECONDS_MAX:.0f} seconds."
        raise Failure(TOO_SLOW, detail, headers=_CLOSE) from error
    begin_again(request.scope)
    return body


async def read_told(request: Request[Any, Any, Any], decoder: "msgspec.json.Decoder[T]", refused: Kind) -> T:
    """What is told of a move; no body at all counts as an empty object.

    Parameters
    ----------
    refused : the failure where a field is wrong or missing.

    Raises
    ------
    Failure : `refused` with the field, 400 when the body is no JSON, 415 when it is not announced as JSON.
    """
    raw = await read_body(request)
    if raw:
        require_json(request.scope)
    try:
        return decoder.decode(raw or b"{}")
    except msgspec.ValidationError as error:
        # The decoder's message may quote what was sent; the place is one of ours, and so are the words of a rule between fields.
        pointer, rule = point_at(error), error.__cause__
        message = "must be as /openapi.json describes it" if pointer else "has an unknown, missing or wrong field"
        problem = Problem(
            pointer=pointer, code="FIELD_INVALID", message=str(rule) if isinstance(rule, ValueError) else message
        )
        raise Failure(refused, "Correct the fields under errors and send it again.", (problem,)) from None
    except UNREADABLE:
        raise Failure(MALFORMED, "The body is not JSON.") from None


async def _receive(request: Request[Any, Any, Any]) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await request.receive()
        if event["type"] != "http.request":
            raise Failure(MALFORMED, "The body ended early.", headers=_CLOSE)
        chunk = event["body"]
        size += len(chunk)
        if size > DISCARD_BYTES_MAX:
            raise _too_large(_CLOSE)
        if size <= BODY_BYTES_MAX:
            chunks.append(chunk)
        if not event["more_body"]:
            break
    if size > BODY_BYTES_MAX:
        raise _too_large({})
    return b"".join(chunks)


def _too_large(headers: dict[str, str]) -> Failure:
    return Failure(TOO_LARGE, f"An application has at most {BODY_BYTES_MAX} bytes.", headers=headers)
