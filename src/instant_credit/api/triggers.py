"""Routes of triggers: put, listed, read, stopped; and what the OpenAPI document says of them."""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from instant_credit.access.actors import Scope
from instant_credit.api.bodies import read_body, require_json
from instant_credit.api.jobs import admit_real, describe_operation, refused
from instant_credit.api.life import tell
from instant_credit.api.operations import JSON, location, success
from instant_credit.api.security import Guard
from instant_credit.errors import Problem
from instant_credit.factory.triggers import TriggerDefinition, TriggerDesk, Triggers, TriggerStatus

TRIGGER_STRUCTS: Final = (TriggerDefinition, TriggerStatus, Triggers)

_TRIGGER: Final = "/v1/triggers/{name:str}"
_READS: Final = {"scopes": (Scope.JOBS_READ,)}
_WRITES: Final = {"scopes": (Scope.JOBS_WRITE,)}
_NAME: Final = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"},
}


def trigger_routes(desk: TriggerDesk, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers. A trigger is no client's own: whoever may read jobs reads all of them."""

    @post("/v1/triggers", guards=[guard], opt=_WRITES)
    async def put_trigger(request: Request[Any, Any, Any]) -> Response[bytes]:
        require_json(request.scope)
        status = await desk.ask(await read_body(request), admit_real(request))
        if isinstance(status, Problem):
            raise refused(status)
        return tell(status, 201, {"Location": status.links.own.href})

    @get("/v1/triggers", guards=[guard], opt=_READS)
    async def list_triggers() -> Response[bytes]:
        return tell(await desk.list())

    @get(_TRIGGER, guards=[guard], opt=_READS)
    async def read_trigger(name: FromPath[str]) -> Response[bytes]:
        return tell(await desk.read(name))

    @post(f"{_TRIGGER}/stop", guards=[guard], opt=_WRITES)
    async def stop_trigger(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        return tell(await desk.stop(name, admit_real(request)))

    return [put_trigger, list_triggers, read_trigger, stop_trigger]


def trigger_paths() -> dict[str, Any]:
    """Path items by path, for the OpenAPI document."""
    own = (_NAME,)
    told = success("The trigger as it stands.", "TriggerStatus")
    stands = success("It stands.", "TriggerStatus", {"Location": location("the trigger")})
    put = describe_operation(
        "put_trigger", "Put a trigger under its name", stands, Scope.JOBS_WRITE, status="201", body=True
    )
    schema = {"$ref": f"#/components/schemas/{TriggerDefinition.__name__}"}
    put["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    listed = success("All triggers by name.", "Triggers")
    read = describe_operation("read_trigger", "A trigger, and when it is due", told, Scope.JOBS_READ, parameters=own)
    stop = describe_operation(
        "stop_trigger",
        "Have a trigger ask for nothing more; again changes nothing",
        told,
        Scope.JOBS_WRITE,
        parameters=own,
    )
    return {
        "/v1/triggers": {
            "post": put,
            "get": describe_operation("list_triggers", "All triggers", listed, Scope.JOBS_READ),
        },
        "/v1/triggers/{name}": {"get": read},
        "/v1/triggers/{name}/stop": {"post": stop},
    }
