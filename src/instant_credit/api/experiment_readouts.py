"""Routes of readouts: read an experiment out, its memo as JSON, promote an arm. Each is made of frozen days, so it may be asked for again.

A page is drawn by the workshop, which the server does without: `instant-credit experiment memo` writes it out of the same bytes.
"""

import re
from datetime import date
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta

from instant_credit.access.actors import Scope
from instant_credit.access.four_eyes import Signature
from instant_credit.api import problems
from instant_credit.api.bodies import read_body, require_json
from instant_credit.api.operations import GUARDED, JSON, failures, success
from instant_credit.api.problems import EXPERIMENT_REFUSED, FORBIDDEN, MALFORMED, Failure
from instant_credit.api.security import Guard, grant_of
from instant_credit.application.invalid import point_at
from instant_credit.canonical import UNREADABLE, encode_canonical
from instant_credit.errors import NotFound, Problem
from instant_credit.experiment.readout import Readout
from instant_credit.record.pool import Record
from instant_credit.underwriting.experiment_promoting import Promoted, promote
from instant_credit.underwriting.experiment_readouts import Memo, ReadoutDesk
from instant_credit.underwriting.release_resources import Proposal

_EXPERIMENT: Final = "/v1/experiments/{experiment:str}"
_READS: Final = {"scopes": (Scope.EXPERIMENTS_READ,)}
_PROMOTES: Final = {"scopes": (Scope.RELEASES_PROPOSE,)}
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Promotion(Proposal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arm that is promoted, and the terms that its release is proposed on."""

    arm: Annotated[str, Meta(min_length=1, max_length=64)]


READOUT_STRUCTS: Final = (Readout, Memo, Promotion, Promoted)
_PROMOTION: Final = msgspec.json.Decoder(Promotion)


def readout_routes(record: Record, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers; `guard` admits keys with their scopes."""
    desk = ReadoutDesk(record)

    @get(f"{_EXPERIMENT}/readout", guards=[guard], opt=_READS)
    async def read_readout(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Response[bytes]:
        return _tell(await desk.read(_experiment(experiment), _until(request)))

    @get(f"{_EXPERIMENT}/memo", guards=[guard], opt=_READS)
    async def read_memo(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Response[bytes]:
        return _tell(await desk.write_memo(_experiment(experiment), _until(request)))

    @post(f"{_EXPERIMENT}/promote", guards=[guard], opt=_PROMOTES, status_code=200)
    async def promote_arm(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Response[bytes]:
        told = await _read_promotion(request)
        return _tell(await promote(record, _experiment(experiment), told.arm, told.terms(), _sign(request)))

    return [read_readout, read_memo, promote_arm]


def _tell(resource: Readout | Memo | Promoted) -> Response[bytes]:
    """Canonical JSON: the bytes that the memo's hashes are of."""
    return Response(encode_canonical(resource), media_type="application/json", headers={"cache-control": "no-store"})


def _experiment(text: str) -> int:
    """The number; anything else names no experiment and is not quoted."""
    if _NUMBER.fullmatch(text) is None:
        raise NotFound("experiment", "of this number")
    return int(text)


def _until(request: Request[Any, Any, Any]) -> date | None:
    told = request.query_params.get("until")
    if told is None:
        return None
    try:
        if _DAY.fullmatch(told) is None:
            raise ValueError
        return date.fromisoformat(told)
    except ValueError:
        raise Failure(EXPERIMENT_REFUSED, "Write until as a day, YYYY-MM-DD, or leave it out.") from None


def _sign(request: Request[Any, Any, Any]) -> Signature:
    """Who promotes: a key that may conclude experiments, too, and is none for tests."""
    grant = grant_of(request)
    if grant.is_test:
        raise Failure(FORBIDDEN, "A key for tests promotes no arm.")
    if Scope.EXPERIMENTS_START not in grant.scopes:
        raise Failure(FORBIDDEN, f"The key needs the scope {Scope.EXPERIMENTS_START.value}, too.")
    return Signature(actor=grant.actor, client_id=grant.client_id)


async def _read_promotion(request: Request[Any, Any, Any]) -> Promotion:
    """What is told of a promotion.

    Raises
    ------
    Failure : 400 when the body is no JSON, 415 when it is not announced as JSON, 422 where a field is wrong or missing.
    """
    raw = await read_body(request)
    require_json(request.scope)
    try:
        return _PROMOTION.decode(raw)
    except msgspec.ValidationError as error:
        # The message may quote what was sent; the place is one of ours.
        problem = Problem(
            pointer=point_at(error), code="FIELD_INVALID", message="must be as /openapi.json describes a Promotion"
        )
        raise Failure(EXPERIMENT_REFUSED, "Correct what is under errors and send it again.", (problem,)) from None
    except UNREADABLE:
        raise Failure(MALFORMED, "The body is not JSON.") from None


def readout_paths() -> dict[str, Any]:
    """Path items by path, for the OpenAPI document."""
    experiment = "/v1/experiments/{experiment}"
    conflict, refused = problems.EXPERIMENT_CONFLICT, problems.EXPERIMENT_REFUSED
    reads, promotes = Scope.EXPERIMENTS_READ, Scope.RELEASES_PROPOSE
    readout = _operation("read_readout", "An experiment as it is read out of frozen days", reads)
    memo = _operation("read_memo", "The memo of an experiment: plan, events, readout and hashes", reads)
    promoting = _operation("promote_arm", "Propose an arm as a release and conclude its experiment", promotes)
    moved = (problems.TOO_SLOW, conflict, problems.RELEASE_CONFLICT, problems.TOO_LARGE, problems.WRONG_MEDIA_TYPE)
    told = success("The release that waits for a second person, and the experiment.", "Promoted")
    return {
        f"{experiment}/readout": {
            "get": readout
            | {"parameters": [_IN_PATH, _IN_QUERY]}
            | {"responses": {"200": success("The readout.", "Readout"), **failures(*GUARDED, conflict, refused)}}
        },
        f"{experiment}/memo": {
            "get": memo
            | {"parameters": [_IN_PATH, _IN_QUERY]}
            | {"responses": {"200": success("The memo.", "Memo"), **failures(*GUARDED, conflict, refused)}}
        },
        f"{experiment}/promote": {
            "post": promoting
            | {
                "description": f"Scopes: `{promotes.value}` and `{Scope.EXPERIMENTS_START.value}`. Again changes nothing.",
                "parameters": [_IN_PATH],
                "requestBody": {
                    "required": True,
                    "content": {JSON: {"schema": {"$ref": "#/components/schemas/Promotion"}}},
                },
                "responses": {"200": told, **failures(*GUARDED, *moved, refused, problems.RELEASE_REFUSED)},
            }
        },
    }


_IN_PATH: Final[dict[str, Any]] = {
    "name": "experiment",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999},
}
_IN_QUERY: Final[dict[str, Any]] = {
    "name": "until",
    "in": "query",
    "required": False,
    "description": "The last day that is read; by default the last one that is frozen.",
    "schema": {"type": "string", "format": "date"},
}


def _operation(name: str, summary: str, scope: Scope) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": f"Scope: `{scope.value}`.",
        "tags": ["experiments"],
        "security": [{"api_key": [scope.value]}],
    }
