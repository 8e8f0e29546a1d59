"""What the OpenAPI document says of releases: the list, one of them, and every move."""

from typing import Any, Final

from instant_credit.access.actors import Scope
from instant_credit.api import problems
from instant_credit.api.operations import GUARDED, JSON, failures, success
from instant_credit.underwriting.release_resources import (
    Activated,
    Approved,
    ListedReleases,
    Proposal,
    Reasoned,
    ReleaseStatus,
    Staged,
)

RELEASE_STRUCTS: Final = (ListedReleases, ReleaseStatus, Proposal, Approved, Reasoned, Staged, Activated)
_MOVES: Final = (
    ("propose", "propose_release", "Propose a release, on terms", Scope.RELEASES_PROPOSE, "Proposal", True),
    ("approve", "approve_release", "Approve a proposal, as a second person", Scope.RELEASES_APPROVE, "Approved", False),
    ("reject", "reject_release", "Reject a proposal, as a second person", Scope.RELEASES_APPROVE, "Reasoned", True),
    (
        "stage",
        "stage_release",
        "Make an approved release a shadow or a challenger",
        Scope.RELEASES_ACTIVATE,
        "Staged",
        True,
    ),
    (
        "activate",
        "activate_release",
        "Make an approved release the champion, now or at an instant",
        Scope.RELEASES_ACTIVATE,
        "Activated",
        False,
    ),
    (
        "rollback",
        "roll_release_back",
        "Take a release back for the one before it, or call off its activation",
        Scope.RELEASES_ACTIVATE,
        "Reasoned",
        True,
    ),
    ("retire", "retire_release", "Take a release out for good", Scope.RELEASES_ACTIVATE, "Reasoned", True),
)
_MOVED: Final = (
    problems.TOO_SLOW,
    problems.RELEASE_CONFLICT,
    problems.TOO_LARGE,
    problems.WRONG_MEDIA_TYPE,
    problems.RELEASE_REFUSED,
)


def release_paths() -> dict[str, Any]:
    """Path items by path."""
    release = "/v1/releases/{release_hash}"
    paths: dict[str, Any] = {
        "/v1/releases": {
            "get": _operation(
                "list_releases",
                "The newest releases and where they stand",
                Scope.RELEASES_READ,
                success("The releases, oldest first.", "ListedReleases"),
            )
        },
        release: {
            "get": {
                **_operation(
                    "read_release",
                    "A release, its terms and what happened to it",
                    Scope.RELEASES_READ,
                    success("The release as it stands.", "ReleaseStatus"),
                ),
                "parameters": [_HASH],
            }
        },
    }
    for path, name, summary, scope, body, is_required in _MOVES:
        told = success("The release as it stands then.", "ReleaseStatus")
        paths[f"{release}/{path}"] = {
            "post": {
                **_operation(name, f"{summary}; again changes nothing", scope, told, *_MOVED),
                "parameters": [_HASH],
                "requestBody": {
                    "required": is_required,
                    "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{body}"}}},
                },
            }
        }
    return paths


_HASH: Final[dict[str, Any]] = {
    "name": "release_hash",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
}


def _operation(name: str, summary: str, scope: Scope, told: dict[str, Any], *more: problems.Kind) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": f"Scope: `{scope.value}`.",
        "tags": ["releases"],
        "security": [{"api_key": [scope.value]}],
        "responses": {"200": told, **failures(*GUARDED, *more)},
    }
