"""`POST /v1/outcomes` and `GET /v1/outcomes/quarantine`: what borrowers did comes in, what was not taken is told.

One event is a JSON object, several are an array of them or a stream of lines (NDJSON), which is taken in chunk by chunk as it comes.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope as HttpScope
from msgspec import Meta, Raw, Struct

from instant_credit.access.actors import Scope
from instant_credit.access.keys import Grant
from instant_credit.api import problems
from instant_credit.api.bodies import BODY_SECONDS_MAX, DISCARD_BYTES_MAX, JSON, header_values, require_json
from instant_credit.api.deadlines import begin_again
from instant_credit.api.life import tell
from instant_credit.api.operations import GUARDED, failures, success
from instant_credit.api.problems import MALFORMED, TOO_LARGE, TOO_SLOW, Failure
from instant_credit.api.security import Guard, grant_of
from instant_credit.canonical import UNREADABLE
from instant_credit.outcome.inbound import InboundEvent, read_json
from instant_credit.outcome.lines import LineSplitter
from instant_credit.record.pool import Record, within
from instant_credit.record.quarantine import Origin, QuarantinedLine, list_quarantined
from instant_credit.underwriting.course import APPLICATION_SECONDS
from instant_credit.underwriting.outcomes import Intake, Line
from instant_credit.underwriting.taken import LINES_MAX, OutcomesTaken

OUTCOMES_BYTES_MAX: Final = DISCARD_BYTES_MAX
"""Of one request, whatever its form; a file goes through `instant-credit outcome ingest`."""

# What is somewhat too large is read and thrown away, so that its sender gets to read the answer.
READ_BYTES_MAX: Final = 2 * OUTCOMES_BYTES_MAX
CHUNK_LINES: Final = 2_000
STREAM_SECONDS_MAX: Final = 60.0
LISTED_MAX: Final = 1_000
NDJSON: Final = b"application/x-ndjson"
OUTCOMES_PATH: Final = "/v1/outcomes"
QUARANTINE_PATH: Final = "/v1/outcomes/quarantine"

_SCOPES: Final = {"scopes": (Scope.OUTCOMES_WRITE,)}
_CLOSE: Final = {"Connection": "close"}
_ARRAYS: Final = msgspec.json.Decoder(list[Raw])
_ANYTHING: Final = msgspec.json.Decoder(Raw)


class QuarantinedOutcome(Struct, frozen=True, kw_only=True):
    """A line in quarantine, without what it says. `application_id` is told where it names a known application."""

    quarantine_id: UUID
    application_id: UUID | None
    line: Annotated[int, Meta(ge=1)]
    code: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=600)]
    recorded_at: datetime


class Quarantine(Struct, frozen=True, kw_only=True):
    """Lines that are in quarantine still, in the order of their coming. `next` = ask for those behind it with ``after``; None = there are none."""

    schema_version: int = 1
    lines: Annotated[tuple[QuarantinedOutcome, ...], Meta(max_length=LISTED_MAX)]
    next: UUID | None


OUTCOME_STRUCTS: Final = (InboundEvent, OutcomesTaken, Quarantine)


def outcome_routes(record: Record, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers; `guard` admits keys with the scope `outcomes:write`, which tell of every client's loans: who collects seldom is who applied."""

    @post(OUTCOMES_PATH, guards=[guard], opt=_SCOPES, status_code=200)
    async def take_outcomes(request: Request[Any, Any, Any]) -> Response[bytes]:
        require_json(request.scope, also=NDJSON)
        intake = _open_intake(record, grant_of(request))
        today = record.clock.now().date()
        if _is_stream(request.scope):
            return tell(await _take_stream(intake, request, today))
        body = b"".join([block async for block in _receive(request)])
        return tell(await _take_all(intake, _read_lines(body, today)))

    @get(QUARANTINE_PATH, guards=[guard], opt=_SCOPES)
    async def read_quarantine(request: Request[Any, Any, Any]) -> Response[bytes]:
        after = _read_after(request)
        async with within(APPLICATION_SECONDS):
            lines = await list_quarantined(record, is_test=grant_of(request).is_test, after=after, limit=LISTED_MAX + 1)
        shown = lines[:LISTED_MAX]
        more = shown[-1].quarantine_id if len(lines) > LISTED_MAX else None
        return tell(Quarantine(lines=tuple(map(_show, shown)), next=more))

    return [take_outcomes, read_quarantine]


def _open_intake(record: Record, grant: Grant) -> Intake:
    return Intake(record, Origin(source="api", format="json", is_test=grant.is_test), grant.actor)


def _is_stream(scope: HttpScope) -> bool:
    return header_values(scope, b"content-type")[0].split(b";")[0].strip().lower() == NDJSON


async def _take_stream(intake: Intake, request: Request[Any, Any, Any], today: date) -> OutcomesTaken:
    """Take lines in as they come; an empty one is none."""
    splitter, waiting, number = LineSplitter(), list[Line](), 0
    taken = OutcomesTaken()
    async for block in _receive(request, ends=True):
        for raw in splitter.feed(block) if block else splitter.end():
            number += 1
            if raw.strip():
                waiting.append(Line(number=number, raw=raw, told=read_json(raw, today)))
        if number > LINES_MAX:
            raise _too_many()
        if len(waiting) >= CHUNK_LINES:
            taken += await _take_all(intake, waiting)
            waiting = []
    return taken + await _take_all(intake, waiting)


async def _take_all(intake: Intake, lines: Sequence[Line]) -> OutcomesTaken:
    taken = OutcomesTaken()
    for start in range(0, len(lines), CHUNK_LINES):
        async with within(APPLICATION_SECONDS):
            taken += await intake.take(lines[start : start + CHUNK_LINES])
    return taken


def _read_lines(body: bytes, today: date) -> list[Line]:
    """The event of an object, or those of an array; `line` is the place in the array from 1.

    Raises
    ------
    Failure : the body is neither.
    """
    try:
        raws = _split(body)
    except UNREADABLE:
        raws = None
    if raws is None:
        raise Failure(MALFORMED, "The body is one event (a JSON object), an array of events, or lines of them.")
    if len(raws) > LINES_MAX:
        raise _too_many()
    return [Line(number=number, raw=raw, told=read_json(raw, today)) for number, raw in enumerate(raws, start=1)]


def _split(body: bytes) -> list[bytes] | None:
    """The events of an array, or the one that there is; None for any other JSON."""
    if body.lstrip()[:1] == b"[":
        return [bytes(raw) for raw in _ARRAYS.decode(body)]
    return [body] if bytes(_ANYTHING.decode(body)).lstrip()[:1] == b"{" else None


async def _receive(request: Request[Any, Any, Any], *, ends: bool = False) -> AsyncIterator[bytes]:
    """The body's blocks, at most `OUTCOMES_BYTES_MAX` bytes of them; with `ends` an empty one behind the last. The caller's time begins with
    each block that still came.

    Raises
    ------
    Failure : 413 when it is larger, 408 when it does not arrive in time, 400 when it ends early. What came before stands.
    """
    announced = header_values(request.scope, b"content-length")
    if announced and (not announced[0].isdigit() or int(announced[0][:20]) > READ_BYTES_MAX):
        raise _too_large()
    size, until = 0, asyncio.get_running_loop().time() + STREAM_SECONDS_MAX
    while True:
        try:
            async with asyncio.timeout(min(BODY_SECONDS_MAX, until - asyncio.get_running_loop().time())):
                event = await request.receive()
        except TimeoutError as error:
            raise Failure(TOO_SLOW, "Send the whole body without long pauses.", headers=_CLOSE) from error
        if event["type"] != "http.request":
            raise Failure(MALFORMED, "The body ended early.", headers=_CLOSE)
        begin_again(request.scope)
        size += len(event["body"])
        if size > READ_BYTES_MAX:
            raise _too_large()
        if event["body"] and size <= OUTCOMES_BYTES_MAX:
            yield event["body"]
        if not event["more_body"]:
            break
    if size > OUTCOMES_BYTES_MAX:
        raise _too_large()
    if ends:
        yield b""


def _too_large() -> Failure:
    detail = f"A request has at most {OUTCOMES_BYTES_MAX:,} bytes: send the events in several, or a file by `instant-credit outcome ingest`."
    return Failure(TOO_LARGE, detail, headers=_CLOSE)


def _too_many() -> Failure:
    return Failure(
        MALFORMED, f"A request has at most {LINES_MAX:,} events: send the others in another one.", headers=_CLOSE
    )


def _read_after(request: Request[Any, Any, Any]) -> UUID | None:
    told = request.query_params.getall("after", [])
    if not told:
        return None
    try:
        (text,) = told
        return UUID(text)
    except ValueError:
        raise Failure(MALFORMED, "after is the `next` of a former answer, sent once.") from None


def _show(line: QuarantinedLine) -> QuarantinedOutcome:
    return QuarantinedOutcome(
        quarantine_id=line.quarantine_id,
        application_id=line.case_id,
        line=line.line,
        code=line.code,
        message=line.message,
        recorded_at=line.recorded_at,
    )


def outcome_paths() -> dict[str, Any]:
    """What the OpenAPI document says of these routes."""
    secured = {"tags": ["outcomes"], "security": [{"api_key": [Scope.OUTCOMES_WRITE.value]}]}
    form = {"type": ["object", "array"], "maxItems": LINES_MAX}
    # JSON Schema has no word for lines; the description says what each of them is.
    forms = {JSON.decode(): {"schema": form}, NDJSON.decode(): {"schema": {"type": "string"}}}
    after = {"name": "after", "in": "query", "required": False, "schema": {"type": "string", "format": "uuid"}}
    too_much = (problems.TOO_SLOW, problems.TOO_LARGE, problems.WRONG_MEDIA_TYPE)
    return {
        OUTCOMES_PATH: {
            "post": {
                "operationId": "take_outcomes",
                "summary": "Tell what borrowers did",
                "description": "One event (the schema InboundEvent), an array of events, or lines of them (application/x-ndjson). An event "
                "that can't be taken goes into quarantine with its reason; the same event again changes nothing. Scope: `outcomes:write`.",
                **secured,
                "requestBody": {"required": True, "content": forms},
                "responses": {
                    "200": success("What became of every event.", "OutcomesTaken"),
                    **failures(*(kind for kind in GUARDED if kind is not problems.NOT_FOUND), *too_much),
                },
            }
        },
        QUARANTINE_PATH: {
            "get": {
                "operationId": "read_quarantine",
                "summary": "Events that were not taken, without what they say",
                "description": "Scope: `outcomes:write`.",
                **secured,
                "parameters": [after],
                "responses": {
                    "200": success("Those that are in quarantine still.", "Quarantine"),
                    **failures(*(kind for kind in GUARDED if kind is not problems.NOT_FOUND)),
                },
            }
        },
    }
