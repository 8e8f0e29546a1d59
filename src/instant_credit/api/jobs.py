"""Routes of jobs: asked for, listed, read, cancelled, tried again; and what the OpenAPI document says of them."""

from typing import Any, Final
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from instant_credit.access.actors import Actor, Scope
from instant_credit.api import problems
from instant_credit.api.bodies import read_body, require_json
from instant_credit.api.decisions import parse_id
from instant_credit.api.life import tell
from instant_credit.api.operations import GUARDED, JSON, WITH_BODY, failures, location, path_id, success
from instant_credit.api.problems import FORBIDDEN, JOB_REFUSED, MALFORMED, Failure
from instant_credit.api.security import Guard, grant_of
from instant_credit.decision.gate_report import GateReport
from instant_credit.errors import Problem
from instant_credit.factory.desk import JobDesk, Jobs, JobStatus
from instant_credit.factory.requests import REQUESTS

JOB_STRUCTS: Final = (JobStatus, Jobs, GateReport, *REQUESTS)

_JOB: Final = "/v1/jobs/{job_id:str}"
_READS: Final = {"scopes": (Scope.JOBS_READ,)}
_WRITES: Final = {"scopes": (Scope.JOBS_WRITE,)}


def job_routes(desk: JobDesk, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers. A job is no client's own: whoever may read jobs reads all of them."""

    @post("/v1/jobs", guards=[guard], opt=_WRITES)
    async def ask_for_job(request: Request[Any, Any, Any]) -> Response[bytes]:
        require_json(request.scope)
        status = await desk.ask(await read_body(request), admit_real(request))
        if isinstance(status, Problem):
            raise refused(status)
        return tell(status, 201, {"Location": status.links.own.href})

    @get("/v1/jobs", guards=[guard], opt=_READS)
    async def list_jobs() -> Response[bytes]:
        return tell(await desk.list())

    @get(_JOB, guards=[guard], opt=_READS)
    async def read_job(job_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.read(_job(job_id)))

    @get(f"{_JOB}/report", guards=[guard], opt=_READS)
    async def read_report(job_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.read_report(_job(job_id)))

    @post(f"{_JOB}/cancel", guards=[guard], opt=_WRITES)
    async def cancel_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.cancel(_job(job_id), admit_real(request)))

    @post(f"{_JOB}/retry", guards=[guard], opt=_WRITES)
    async def retry_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.retry(_job(job_id), admit_real(request)))

    return [ask_for_job, list_jobs, read_job, read_report, cancel_job, retry_job]


def admit_real(request: Request[Any, Any, Any]) -> Actor:
    """Who asks for a job or ends one; jobs are of real books, so a key for tests does neither."""
    grant = grant_of(request)
    if grant.is_test:
        raise Failure(FORBIDDEN, "A key for tests asks for no job and ends none.")
    return grant.actor


def _job(text: str) -> UUID:
    return parse_id(text, "job")


def refused(problem: Problem) -> Failure:
    """What is answered to a request that can't become a job."""
    if problem.code == "BODY_UNREADABLE":
        return Failure(MALFORMED, "The body is not the JSON of a job.", (problem,))
    return Failure(JOB_REFUSED, "Correct what is under errors and ask again.", (problem,))


def job_paths() -> dict[str, Any]:
    """Path items by path, for the OpenAPI document."""
    own = (path_id("job_id"),)
    told = success("The job as it stands.", "JobStatus")
    asked = success("It is queued.", "JobStatus", {"Location": location("the job")})
    kinds = [{"$ref": f"#/components/schemas/{one.__name__}"} for one in REQUESTS]
    ask = describe_operation(
        "ask_for_job", "Queue a job", asked, Scope.JOBS_WRITE, problems.JOB_EXISTS, status="201", body=True
    )
    ask["requestBody"] = {"required": True, "content": {JSON: {"schema": {"oneOf": kinds}}}}
    listed = success("The newest jobs, the newest first.", "Jobs")
    return {
        "/v1/jobs": {"post": ask, "get": describe_operation("list_jobs", "The newest jobs", listed, Scope.JOBS_READ)},
        "/v1/jobs/{job_id}": {
            "get": describe_operation(
                "read_job", "A job, its steps and how far it is", told, Scope.JOBS_READ, parameters=own
            )
        },
        "/v1/jobs/{job_id}/report": {
            "get": describe_operation(
                "read_gate_report",
                "What a judgement's gates said",
                success("The report.", "GateReport"),
                Scope.JOBS_READ,
                parameters=own,
            )
        },
        "/v1/jobs/{job_id}/cancel": {
            "post": describe_operation(
                "cancel_job",
                "Cancel a job; again changes nothing",
                told,
                Scope.JOBS_WRITE,
                problems.JOB_CLOSED,
                parameters=own,
            )
        },
        "/v1/jobs/{job_id}/retry": {
            "post": describe_operation(
                "retry_job",
                "Queue a failed or cancelled job again",
                told,
                Scope.JOBS_WRITE,
                problems.JOB_CLOSED,
                problems.JOB_EXISTS,
                parameters=own,
            )
        },
    }


def describe_operation(
    name: str,
    summary: str,
    told: dict[str, Any],
    scope: Scope,
    *kinds: problems.Kind,
    parameters: tuple[dict[str, Any], ...] = (),
    status: str = "200",
    body: bool = False,
) -> dict[str, Any]:
    """An operation of the OpenAPI document."""
    usual = [kind for kind in WITH_BODY if kind is not problems.REFUSED] if body else list(GUARDED)
    more = [problems.JOB_REFUSED] if body else []
    return {
        "operationId": name,
        "summary": summary,
        "description": f"Scope: `{scope.value}`.",
        "tags": ["jobs"],
        "security": [{"api_key": [scope.value]}],
        **({"parameters": list(parameters)} if parameters else {}),
        "responses": {status: told, **failures(*usual, *more, *kinds)},
    }
