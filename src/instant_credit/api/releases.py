"""Routes of releases: read them, propose, approve, reject, stage, activate, roll back and retire one.

A move that was made already is answered as it stands, so every one of them may be sent again. Keys for tests read and move nothing.
"""

import re
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from instant_credit.access.actors import Scope
from instant_credit.access.four_eyes import Signature
from instant_credit.api.bodies import read_told
from instant_credit.api.life import tell
from instant_credit.api.problems import FORBIDDEN, RELEASE_REFUSED, Failure
from instant_credit.api.security import Guard, grant_of
from instant_credit.errors import NotFound
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.release_resources import (
    Activated,
    Approved,
    Proposal,
    Reasoned,
    Staged,
)

_RELEASES: Final = "/v1/releases"
_RELEASE: Final = f"{_RELEASES}/{{release_hash:str}}"
_READS: Final = {"scopes": (Scope.RELEASES_READ,)}
_PROPOSES: Final = {"scopes": (Scope.RELEASES_PROPOSE,)}
_APPROVES: Final = {"scopes": (Scope.RELEASES_APPROVE,)}
_ACTIVATES: Final = {"scopes": (Scope.RELEASES_ACTIVATE,)}
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PROPOSAL: Final = msgspec.json.Decoder(Proposal)
_APPROVED: Final = msgspec.json.Decoder(Approved)
_REASONED: Final = msgspec.json.Decoder(Reasoned)
_STAGED: Final = msgspec.json.Decoder(Staged)
_ACTIVATED: Final = msgspec.json.Decoder(Activated)


def release_routes(desk: ReleaseDesk, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers that read and those that move; `guard` admits keys with their scopes."""

    @get(_RELEASES, guards=[guard], opt=_READS)
    async def list_releases() -> Response[bytes]:
        return tell(await desk.list_releases())

    @get(_RELEASE, guards=[guard], opt=_READS)
    async def read_release(release_hash: FromPath[str]) -> Response[bytes]:
        return tell(await desk.read(_release(release_hash)))

    return [list_releases, read_release, *_approval_routes(desk, guard), *_activation_routes(desk, guard)]


def _approval_routes(desk: ReleaseDesk, guard: Guard) -> list[HTTPRouteHandler]:
    @post(f"{_RELEASE}/propose", guards=[guard], opt=_PROPOSES)
    async def propose_release(request: Request[Any, Any, Any], release_hash: FromPath[str]) -> Response[bytes]:
        proposal = await read_told(request, _PROPOSAL, RELEASE_REFUSED)
        return tell(await desk.propose(_release(release_hash), proposal.terms(), _sign(request)))

    @post(f"{_RELEASE}/approve", guards=[guard], opt=_APPROVES)
    async def approve_release(request: Request[Any, Any, Any], release_hash: FromPath[str]) -> Response[bytes]:
        told = await read_told(request, _APPROVED, RELEASE_REFUSED)
        return tell(await desk.approve(_release(release_hash), _sign(request), told.reason))

    @post(f"{_RELEASE}/reject", guards=[guard], opt=_APPROVES)
    async def reject_release(request: Request[Any, Any, Any], release_hash: FromPath[str]) -> Response[bytes]:
        told = await read_told(request, _REASONED, RELEASE_REFUSED)
        return tell(await desk.reject(_release(release_hash), _sign(request), told.reason))

    return [propose_release, approve_release, reject_release]


def _activation_routes(desk: ReleaseDesk, guard: Guard) -> list[HTTPRouteHandler]:
    @post(f"{_RELEASE}/stage", guards=[guard], opt=_ACTIVATES)
    async def stage_release(request: Request[Any, Any, Any], release_hash: FromPath[str]) -> Response[bytes]:
        told = await read_told(request, _STAGED, RELEASE_REFUSED)
        return tell(await desk.stage(_release(release_hash), told.stage, _sign(request)))

    @post(f"{_RELEASE}/activate", guards=[guard], opt=_ACTIVATES)
    async def activate_release(request: Request[Any, Any, Any], release_hash: FromPath[str]) -> Response[bytes]:
        told = await read_told(request, _ACTIVATED, RELEASE_REFUSED)
        return tell(await desk.activate(_release(release_hash), _sign(request), told.at))

    @post(f"{_RELEASE}/rollback", guards=[guard], opt=_ACTIVATES)
    async def roll_release_back(request: Request[Any, Any, Any], release_hash: FromPath[str]) -> Response[bytes]:
        told = await read_told(request, _REASONED, RELEASE_REFUSED)
        return tell(await desk.roll_back(_release(release_hash), _sign(request), told.reason))

    @post(f"{_RELEASE}/retire", guards=[guard], opt=_ACTIVATES)
    async def retire_release(request: Request[Any, Any, Any], release_hash: FromPath[str]) -> Response[bytes]:
        told = await read_told(request, _REASONED, RELEASE_REFUSED)
        return tell(await desk.retire(_release(release_hash), _sign(request), told.reason))

    return [stage_release, activate_release, roll_release_back, retire_release]


def _release(text: str) -> str:
    """The hash in its canonical form; anything else names no release and is not quoted."""
    if _HASH.fullmatch(text) is None:
        raise NotFound("release", "of this hash")
    return text


def _sign(request: Request[Any, Any, Any]) -> Signature:
    """Who moves a release; a key for tests moves none."""
    grant = grant_of(request)
    if grant.is_test:
        raise Failure(FORBIDDEN, "A key for tests moves no release.")
    return Signature(actor=grant.actor, client_id=grant.client_id)
