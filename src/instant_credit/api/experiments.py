"""Routes of experiments: plan one, list and read them, start, ramp and stop one.

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
from instant_credit.api.problems import EXPERIMENT_REFUSED, FORBIDDEN, MALFORMED, Failure
from instant_credit.api.security import Guard, grant_of
from instant_credit.errors import NotFound
from instant_credit.experiment.plan import Plan
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_resources import Ramped, Started, Stopped
from instant_credit.underwriting.experiment_states import ExperimentState

_EXPERIMENTS: Final = "/v1/experiments"
_EXPERIMENT: Final = f"{_EXPERIMENTS}/{{experiment:str}}"
_READS: Final = {"scopes": (Scope.EXPERIMENTS_READ,)}
_PLANS: Final = {"scopes": (Scope.EXPERIMENTS_PLAN,)}
_STARTS: Final = {"scopes": (Scope.EXPERIMENTS_START,)}
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)
_PRODUCT: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_PLAN: Final = msgspec.json.Decoder(Plan)
_STARTED: Final = msgspec.json.Decoder(Started)
_RAMPED: Final = msgspec.json.Decoder(Ramped)
_STOPPED: Final = msgspec.json.Decoder(Stopped)


def experiment_routes(desk: ExperimentDesk, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers that plan and read and those that move; `guard` admits keys with their scopes."""

    @post(_EXPERIMENTS, guards=[guard], opt=_PLANS)
    async def plan_experiment(request: Request[Any, Any, Any]) -> Response[bytes]:
        by = _sign(request)
        status = await desk.plan(await read_told(request, _PLAN, EXPERIMENT_REFUSED), by)
        return tell(status, 201, {"Location": status.links.own.href})

    @get(_EXPERIMENTS, guards=[guard], opt=_READS)
    async def list_experiments(request: Request[Any, Any, Any]) -> Response[bytes]:
        product, state = _read_one(request, "product"), _read_one(request, "state")
        if product is not None and _PRODUCT.fullmatch(product) is None:
            raise Failure(MALFORMED, "product is the name of one.")
        if state is not None and state not in list(ExperimentState):
            raise Failure(MALFORMED, f"state is one of {', '.join(ExperimentState)}.")
        return tell(await desk.list_experiments(product, None if state is None else ExperimentState(state)))

    @get(_EXPERIMENT, guards=[guard], opt=_READS)
    async def read_experiment(experiment: FromPath[str]) -> Response[bytes]:
        return tell(await desk.read(_number(experiment)))

    return [plan_experiment, list_experiments, read_experiment, *_moving_routes(desk, guard)]


def _moving_routes(desk: ExperimentDesk, guard: Guard) -> list[HTTPRouteHandler]:
    @post(f"{_EXPERIMENT}/start", guards=[guard], opt=_STARTS)
    async def start_experiment(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Response[bytes]:
        told = await read_told(request, _STARTED, EXPERIMENT_REFUSED)
        return tell(await desk.start(_number(experiment), told.coverage_ppm, told.reach_ppm, _sign(request)))

    @post(f"{_EXPERIMENT}/ramp", guards=[guard], opt=_STARTS)
    async def ramp_experiment(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Response[bytes]:
        told = await read_told(request, _RAMPED, EXPERIMENT_REFUSED)
        return tell(await desk.ramp(_number(experiment), told.coverage_ppm, _sign(request)))

    @post(f"{_EXPERIMENT}/stop", guards=[guard], opt=_STARTS)
    async def stop_experiment(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Response[bytes]:
        told = await read_told(request, _STOPPED, EXPERIMENT_REFUSED)
        return tell(await desk.stop(_number(experiment), _sign(request), told.reason))

    return [start_experiment, ramp_experiment, stop_experiment]


def _number(text: str) -> int:
    """The experiment's number; anything else names none and is not quoted."""
    if _NUMBER.fullmatch(text) is None:
        raise NotFound("experiment", "of this number")
    return int(text)


def _read_one(request: Request[Any, Any, Any], name: str) -> str | None:
    told = request.query_params.getall(name, [])
    if len(told) > 1:
        raise Failure(MALFORMED, f"{name} is sent once.")
    return told[0] if told else None


def _sign(request: Request[Any, Any, Any]) -> Signature:
    """Who moves an experiment; a key for tests moves none."""
    grant = grant_of(request)
    if grant.is_test:
        raise Failure(FORBIDDEN, "A key for tests plans and moves no experiment.")
    return Signature(actor=grant.actor, client_id=grant.client_id)
