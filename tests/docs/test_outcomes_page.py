"""docs/outcomes.md against the intake."""

import json
import re
from datetime import date

from instant_credit.api.outcomes import OUTCOMES_BYTES_MAX
from instant_credit.outcome import inbound, metro2
from instant_credit.outcome.inbound import Telling, ToldKind, read_json
from instant_credit.outcome.lines import LINE_BYTES_MAX
from instant_credit.outcome.sequence import Fault, FaultCode
from instant_credit.underwriting import outcomes
from instant_credit.underwriting.taken import LINES_MAX
from tests.docs.test_examples import ROOT, list_fences, list_words, read_page

PAGE = "outcomes.md"


def test_every_kind_is_documented() -> None:
    kinds = {
        name
        for row in re.findall(r"^\| (`[^|]*) \|[^|]*\|[^|]*\|$", read_page(PAGE), re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert kinds == {kind.value for kind in ToldKind}


def test_every_reason_is_documented_and_no_other() -> None:
    own = {
        name
        for name in (*vars(inbound), *vars(metro2))
        if re.fullmatch(r"(LINE|EVENT|KNOWN|ACCOUNT|RECORD|FIELD)_[A-Z_]+", name)
    }
    codes = {
        value
        for module in (inbound, metro2)
        for name, value in vars(module).items()
        if name in own and isinstance(value, str)
    }
    codes |= {code.value for code in FaultCode}
    codes |= {fault.code for name, fault in vars(outcomes).items() if name.startswith("_") and isinstance(fault, Fault)}
    assert {word for word in list_words(PAGE) if re.fullmatch(r"[A-Z]+\d?(_[A-Z]+)+", word)} == codes


def test_every_account_status_is_documented() -> None:
    rows = re.findall(r"^\| ((?:`\w\w`(?:, )?)+) \|", read_page(PAGE), re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`(\w\w)`", row)} == metro2.STATUSES


def test_the_bounds_are_the_ones_that_hold() -> None:
    for bound in (f"{LINES_MAX:,} events", f"{OUTCOMES_BYTES_MAX:,} bytes", f"{LINE_BYTES_MAX:,} bytes"):
        assert bound in read_page(PAGE)


def test_the_events_shown_are_events() -> None:
    lines = [
        line for fence in list_fences(read_page(PAGE), "sh") for line in fence.splitlines() if line.startswith("{")
    ]
    assert lines
    for line in lines:
        assert isinstance(read_json(line.encode(), date(2027, 2, 1)), Telling), line


def test_every_path_shown_is_one_of_the_document() -> None:
    document = json.loads((ROOT / "schemas" / "openapi.json").read_text())
    shown = re.findall(r"`(GET|POST) (/v1/[^`]+)`", read_page(PAGE))
    assert shown
    for method, path in shown:
        assert method.lower() in document["paths"][path], path
