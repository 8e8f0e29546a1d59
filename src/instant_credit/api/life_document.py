"""What the OpenAPI document says of an application's life: status, offers, acceptance, withdrawal."""

from typing import Any, Final

from instant_credit.access.actors import Scope
from instant_credit.api import problems
from instant_credit.api.operations import GUARDED, failures, path_id, success
from instant_credit.api.problems import Kind
from instant_credit.underwriting.resources import ApplicationStatus, Offers, OfferStatus

LIFE_STRUCTS: Final = (ApplicationStatus, OfferStatus, Offers)
_READS: Final = (Scope.DECISIONS_READ, Scope.DECISIONS_READ_ALL)
_WRITES: Final = (Scope.APPLY,)


def life_paths() -> dict[str, Any]:
    """Path items by path."""
    application = "/v1/applications/{application_id}"
    offer = f"{application}/offers/{{offer_id}}"
    own, offered = (path_id("application_id"),), (path_id("application_id"), path_id("offer_id"))
    return {
        application: {
            "get": _operation(
                "read_application",
                "An application and what became of it",
                success("The application as it stands.", "ApplicationStatus"),
                parameters=own,
                scopes=_READS,
            )
        },
        f"{application}/withdraw": {
            "post": _operation(
                "withdraw_application",
                "Withdraw an application; again changes nothing",
                success("It is withdrawn.", "ApplicationStatus"),
                problems.APPLICATION_CLOSED,
                parameters=own,
                scopes=_WRITES,
            )
        },
        f"{application}/offers": {
            "get": _operation(
                "list_offers",
                "The offers of an application",
                success("Its offers as they stand.", "Offers"),
                parameters=own,
                scopes=_READS,
            )
        },
        offer: {
            "get": _operation(
                "read_offer",
                "One offer of an application",
                success("The offer as it stands.", "OfferStatus"),
                parameters=offered,
                scopes=_READS,
            )
        },
        f"{offer}/accept": {
            "post": _operation(
                "accept_offer",
                "Accept an offer; again changes nothing",
                success("It is accepted.", "OfferStatus"),
                problems.OFFER_EXPIRED,
                problems.APPLICATION_CLOSED,
                parameters=offered,
                scopes=_WRITES,
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    told: dict[str, Any],
    *conflicts: Kind,
    parameters: tuple[dict[str, Any], ...],
    scopes: tuple[Scope, ...],
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": f"Scope: {' or '.join(f'`{scope.value}`' for scope in scopes)}.",
        "tags": ["applications"],
        "security": [{"api_key": [scope.value]} for scope in scopes],
        "parameters": list(parameters),
        "responses": {"200": told, **failures(*GUARDED, *conflicts)},
    }
