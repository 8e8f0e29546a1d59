"""docs/applications.md against the code: what is shown is of the form that is answered."""

import json
import re
from typing import Any

import msgspec

from instant_credit.underwriting.resources import (
    ApplicationState,
    ApplicationStatus,
    DraftState,
    DraftStatus,
    OfferState,
    OfferStatus,
    Quote,
)
from tests.docs.test_examples import ROOT, list_fences, list_words, read_page

SHOWN = (Quote, DraftStatus, ApplicationStatus, OfferStatus)


def list_shown() -> list[dict[str, Any]]:
    return [json.loads(body) for body in list_fences(read_page("applications.md"), "json")]


def test_every_resource_shown_is_of_its_form() -> None:
    for shown, form in zip(list_shown(), SHOWN, strict=True):
        assert json.loads(msgspec.json.encode(msgspec.convert(shown, form))) == shown


def test_every_state_is_documented() -> None:
    page = read_page("applications.md")
    assert {"state", *(state.value for state in ApplicationState)} == set(
        re.findall(r"^\| `(\w+)` \| .* \| .* \|$", page, re.MULTILINE)
    )
    assert {"Draft", *(state.value for state in DraftState)} == {
        word.strip("`") for word in re.findall(r"^\| (`\w+`|Draft) \| [^|]* \|$", page, re.MULTILINE)
    }
    assert {state.value for state in OfferState} <= list_words("applications.md")


def test_every_path_shown_is_one_of_the_document() -> None:
    document = json.loads((ROOT / "schemas" / "openapi.json").read_text())
    for method, path in re.findall(r"`(GET|POST|PATCH) (/v1/[^`]+)`", read_page("applications.md")):
        assert method.lower() in document["paths"][path.replace("{product}", "personal_loan")], path
