"""What the OpenAPI document says of experiments: planning one, the list, one of them, and every move."""

from typing import Any, Final

from instant_credit.access.actors import Scope
from instant_credit.api import problems
from instant_credit.api.operations import GUARDED, JSON, failures, location, success
from instant_credit.experiment.plan import Plan
from instant_credit.underwriting.experiment_resources import (
    ExperimentStatus,
    ListedExperiments,
    Ramped,
    Started,
    Stopped,
)
from instant_credit.underwriting.experiment_states import ExperimentState

EXPERIMENT_STRUCTS: Final = (ListedExperiments, ExperimentStatus, Plan, Started, Ramped, Stopped)
_MOVES: Final = (
    ("start", "Start a planned experiment on a free range of its layer, as a second person", "Started"),
    ("ramp", "Expose more of an experiment's range", "Ramped"),
    ("stop", "Expose nobody any more", "Stopped"),
)
_TOLD: Final = (
    problems.TOO_SLOW,
    problems.EXPERIMENT_CONFLICT,
    problems.TOO_LARGE,
    problems.WRONG_MEDIA_TYPE,
    problems.EXPERIMENT_REFUSED,
)
_NUMBER: Final[dict[str, Any]] = {
    "name": "experiment",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
}
_FILTERS: Final[list[dict[str, Any]]] = [
    {
        "name": "product",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"},
    },
    {
        "name": "state",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "enum": [state.value for state in ExperimentState]},
    },
]


def experiment_paths() -> dict[str, Any]:
    """Path items by path."""
    experiment = "/v1/experiments/{experiment}"
    planned = success("The experiment, planned.", "ExperimentStatus", {"Location": location("the experiment")})
    listed = success("The newest experiments, oldest first.", "ListedExperiments")
    stands = success("The experiment as it stands.", "ExperimentStatus")
    plan = _operation(
        "plan_experiment", "Plan an experiment; again changes nothing", Scope.EXPERIMENTS_PLAN, "201", planned
    )
    many = _operation(
        "list_experiments", "The newest experiments and where they stand", Scope.EXPERIMENTS_READ, "200", listed
    )
    one = _operation(
        "read_experiment", "An experiment, its plan and what happened to it", Scope.EXPERIMENTS_READ, "200", stands
    )
    paths: dict[str, Any] = {
        "/v1/experiments": {"post": _with_body(plan, "Plan"), "get": many | {"parameters": _FILTERS}},
        experiment: {"get": one | {"parameters": [_NUMBER]}},
    }
    for path, summary, body in _MOVES:
        told = success("The experiment as it stands then.", "ExperimentStatus")
        name = f"{path}_experiment"
        move = _operation(name, f"{summary}; again changes nothing", Scope.EXPERIMENTS_START, "200", told)
        paths[f"{experiment}/{path}"] = {"post": _with_body(move, body) | {"parameters": [_NUMBER]}}
    return paths


def _operation(name: str, summary: str, scope: Scope, status: str, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": f"Scope: `{scope.value}`.",
        "tags": ["experiments"],
        "security": [{"api_key": [scope.value]}],
        "responses": {status: told, **failures(*GUARDED)},
    }


def _with_body(operation: dict[str, Any], body: str) -> dict[str, Any]:
    """The operation with a body, and what may be wrong with one."""
    return {
        **operation,
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{body}"}}},
        },
        "responses": {**operation["responses"], **failures(*_TOLD)},
    }
