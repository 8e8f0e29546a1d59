"""The user documentation against the code: examples load, names exist, nothing is left out."""

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from datetime import date
from functools import cache
from math import log
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from instant_credit import settings
from instant_credit.api.bodies import BODY_BYTES_MAX, DISCARD_BYTES_MAX
from instant_credit.api.metrics import Metrics
from instant_credit.api.problems import KINDS
from instant_credit.api.wire import HEAD_BYTES_MAX
from instant_credit.application.document import hash_product, load_product
from instant_credit.application.door import Door, Told
from instant_credit.application.facts import Facts
from instant_credit.application.operations import OPERATIONS
from instant_credit.application.product import Attribute, Product, Roles, Variable
from instant_credit.commands import COMMANDS, cli
from instant_credit.outcome.events import EventKind
from instant_credit.policy import document as policy_document
from instant_credit.policy.checks import load_policy
from instant_credit.policy.program import EXITS
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.score.points import Scale, points_at
from instant_credit.training.tapes import parts as tape_mapping
from instant_credit.training.tapes.files import read_tape
from instant_credit.training.tapes.joining import JoinedFiles
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.tapes.rows import RowReader, TapeRow
from instant_credit.underwriting.answers import Answer, ProblemDocument, RecordedDecision
from instant_credit.underwriting.lines import ApplicationLine, Ending, Stages

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "instant_credit"
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
TODAY = date(2026, 11, 23)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:^|[\s(/])instant-credit((?: +[^\s|&;)#]+)*)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CONDITION = re.compile(r"[A-Z]+(?:_[A-Z]+)+")


@cache
def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def list_fences(text: str, language: str) -> list[str]:
    return [body for kind, body in _FENCE.findall(text) if kind == language]


def list_words(name: str) -> set[str]:
    """Everything that a page sets as code, whole and word by word, outside its fences."""
    codes = _CODE.findall(_FENCE.sub("", read_page(name)))
    return {*codes, *(word for code in codes for word in re.findall(r"[\w:-]+", code))}


@cache
def load_documents() -> dict[str, str]:
    """The complete documents of documents.md by kind."""
    found: dict[str, str] = {}
    for body in list_fences(read_page("documents.md"), "toml"):
        raw = tomllib.loads(body)
        kind = "product" if "attributes" in raw else "mapping" if "facts" in raw else "policy"
        kind = "joined mapping" if "files" in raw else kind
        assert kind not in found
        found[kind] = body
    return found


def list_conditions(*paths: str) -> set[str]:
    """Upper-case condition codes that modules of the source spell out."""
    return {
        node.value
        for path in paths
        for node in ast.walk(ast.parse((SOURCE / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CONDITION.fullmatch(node.value)
    }


def list_structs(module: Any) -> Iterator[type[msgspec.Struct]]:
    """The Structs that a module defines for its document."""
    for one in vars(module).values():
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__module__ == module.__name__:
            yield one


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` lead to, and what is left of them."""
    command: click.Command = cli
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"there is no command {' '.join(words)}"
        command, rest = found, rest[1:]
    return command, rest


def list_shown(text: str) -> tuple[list[list[str]], list[list[str]]]:
    """Commands in shell fences, and commands that sentences mention, as words after the program's name."""
    shell = "\n".join(list_fences(text, "sh")).replace("\\\n", " ")
    shown = [shlex.split(words) for line in shell.splitlines() for words in _COMMAND.findall(line.split(" #")[0])]
    mentioned = [shlex.split(words) for code in _CODE.findall(_FENCE.sub("", text)) for words in _COMMAND.findall(code)]
    return [words for words in shown if words], [words for words in mentioned if words]


def list_bodies(text: str) -> list[bytes]:
    """Bodies of applications that a page sends with curl."""
    return [
        body.encode() for fence in list_fences(text, "sh") for body in re.findall(r"-d '(\{.*?\})'", fence, re.DOTALL)
    ]


def list_json(name: str) -> list[dict[str, Any]]:
    return [json.loads(body) for body in list_fences(read_page(name), "json")]


def make_slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_example_product_mapping_and_policy_load() -> None:
    documents = load_documents()
    product = load_product(documents["product"])
    assert load_mapping(documents["mapping"], product).product == product.name
    assert load_mapping(documents["joined mapping"], product).product == product.name
    assert load_policy(documents["policy"], product).product == product.name


def test_every_toml_example_is_a_complete_document() -> None:
    assert set(load_documents()) == {"product", "mapping", "joined mapping", "policy"}


def read_example(kind: str, tmp_path: Path, names: list[str]) -> list[TapeRow]:
    """The rows of a mapping's example, from its csv fences by name; the first is the tape."""
    documents = load_documents()
    product = load_product(documents["product"])
    mapping = load_mapping(documents[kind], product)
    tables = [
        body for body in list_fences(read_page("documents.md"), "csv") if (body.count(";") > 10) == (kind == "mapping")
    ]
    paths = {name: tmp_path / f"{name}.csv" for name in names}
    for path, table in zip(paths.values(), tables, strict=True):
        path.write_text(table)
    joined = JoinedFiles(mapping, product, {name: paths[name] for name in mapping.files})
    reader = RowReader(mapping, product, TODAY, joined)
    chunks = read_tape(paths["loans"], mapping.file, mapping.needed_columns)
    rows = [row for chunk in chunks for row in reader.read_chunk(chunk)]
    assert all(isinstance(row, TapeRow) for row in rows), rows
    assert all(isinstance(Door(product).check_facts(row.values, row.as_of), Facts) for row in rows)
    return rows


def test_the_example_tape_fits_its_mapping(tmp_path: Path) -> None:
    first, second = read_example("mapping", tmp_path, ["loans"])
    assert (first.values["home"], first.events[0].kind) == ("rent", EventKind.PAID)
    assert [event.kind for event in second.events] == [EventKind.CHARGED_OFF, EventKind.RECOVERED]


def test_the_example_with_joined_files_tells_what_the_page_says(tmp_path: Path) -> None:
    first, second = read_example("joined mapping", tmp_path, ["loans", "bureau", "moves", "arrears"])
    assert (first.values["income_annual_cents"], second.values["income_annual_cents"]) == (620_100, 200_000)
    assert (first.sampling_weight, second.sampling_weight) == (10.0, 1.0)
    assert (first.monitoring, second.monitoring) == ((0,), (-1,))
    assert [(event.kind, event.event_on) for event in second.events] == [(EventKind.DELINQUENT, date(2024, 9, 1))]


def test_every_field_of_a_product_is_documented() -> None:
    fields = {name for struct in (Product, Attribute, Variable, Roles) for name in struct.__struct_fields__}
    words = list_words("documents.md")
    assert not {name for name in fields if name not in words}


@pytest.mark.parametrize("module", [tape_mapping, policy_document], ids=["mapping", "policy"])
def test_every_field_of_a_mapping_and_a_policy_is_documented(module: Any) -> None:
    fields = {name for struct in list_structs(module) for name in struct.__struct_encode_fields__}
    words = list_words("documents.md")
    assert not {name for name in fields if name not in words}


def test_every_operation_exit_and_event_is_documented() -> None:
    names = {
        *OPERATIONS,
        *EXITS,
        *(kind.value for kind in EventKind),
        *(one.value for one in policy_document.Comparison),
    }
    assert not names - list_words("documents.md")


def test_every_shipped_document_is_named() -> None:
    shipped = {f"{kind}/{name}.toml" for kind in ("products", "policies", "mappings") for name in list_starters(kind)}
    assert not {path for path in shipped if path not in read_page("documents.md")}


def test_every_reason_to_reject_a_row_is_documented() -> None:
    modules = ("cells", "rows", "readers", "taking")
    conditions = list_conditions(*(f"training/tapes/{module}.py" for module in modules))
    assert not conditions - list_words("documents.md")


def test_every_environment_variable_is_documented_and_no_other() -> None:
    known = {value for value in vars(settings).values() if isinstance(value, str) and _CONDITION.fullmatch(value)}
    table = set(re.findall(r"^\| `([A-Z_]+)` \|", read_page("operations.md"), re.MULTILINE))
    assert table == known
    named = {name for page in PAGES for name in re.findall(r"\bINSTANT_CREDIT_[A-Z_]+\b", page.read_text())}
    assert named <= known


def test_every_metric_is_documented() -> None:
    families = Metrics().registry.collect()
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert names
    assert not names - list_words("operations.md")


def test_every_field_of_the_application_line_is_documented() -> None:
    names = {*ApplicationLine.__struct_fields__, *Stages.__struct_fields__, *(ending.value for ending in Ending)}
    assert not names - list_words("operations.md")


def test_every_log_event_is_documented() -> None:
    events = {
        node.args[0].value
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"info", "warning", "error", "exception"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert events
    assert not events - list_words("operations.md")


def test_the_bounds_of_a_request_are_the_ones_that_hold() -> None:
    for limit in (HEAD_BYTES_MAX, BODY_BYTES_MAX, DISCARD_BYTES_MAX):
        assert f"{limit:,} bytes" in read_page("operations.md")


def test_every_problem_is_documented_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", read_page("api.md"), re.MULTILINE))
    assert rows == {kind.name: str(kind.status) for kind in KINDS}


def test_every_code_of_a_field_is_documented() -> None:
    codes = list_conditions("application/fields.py", "application/complaints.py", "underwriting/desk.py")
    assert not codes - list_words("api.md")


def test_the_answers_shown_are_of_the_recorded_form() -> None:
    answer, _, _, _, decision, problem = list_json("api.md")
    assert msgspec.convert(answer, Answer).outcome == "approve"
    assert msgspec.convert(decision, RecordedDecision).decision.outcome == "approve"
    assert msgspec.convert(problem, ProblemDocument).status == 422


def test_the_fields_shown_are_fields_of_the_structs() -> None:
    answer, counter_offer, decline, eligible, decision, _ = list_json("api.md")
    for shown in (answer, counter_offer, decline, eligible):
        assert set(shown) <= set(Answer.__struct_fields__)
    assert set(decision) == set(RecordedDecision.__struct_fields__)


def test_the_points_shown_are_those_of_the_pds_shown() -> None:
    answers = [shown.get("decision", shown) for shown in list_json("api.md")]
    scored = [(shown["pd_ppm"] / 1e6, shown["points"]) for shown in answers if "points" in shown]
    assert len(scored) == 4
    assert [points_at(Scale(), log(pd / (1 - pd))) for pd, _ in scored] == [points for _, points in scored]


def test_the_decision_shown_is_of_the_shipped_product() -> None:
    """A changed product changes every figure: run the demo again and write down what it answers."""
    decision = list_json("api.md")[4]["decision"]
    assert decision["product_hash"] == hash_product(load_product(read_starter("products", "personal_loan")))


def test_the_sum_of_contributions_shown_gives_the_pd_shown() -> None:
    (code,) = list_fences(read_page("models.md"), "python")
    exec(code, {})  # noqa: S102 a fence of our own documentation
    decision = list_json("api.md")[4]["decision"]
    assert f"raw = {decision['expected_log_odds']!r} + " in code
    assert f"== {decision['pd_ppm']:_}" in code


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_application_shown_passes_the_door(page: str) -> None:
    door = Door(load_product(read_starter("products", "personal_loan")))
    body = list_bodies((ROOT / page).read_text(encoding="utf-8"))[0]
    assert isinstance(door.read_application(body, TODAY), Told)


def test_the_refused_application_has_the_errors_shown() -> None:
    door = Door(load_product(read_starter("products", "personal_loan")))
    _, refused = list_bodies(read_page("api.md"))
    problem = msgspec.convert(list_json("api.md")[-1], ProblemDocument)
    assert door.read_application(refused, TODAY) == problem.errors


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_shown_is_one_that_the_program_takes(page: Path) -> None:
    shown, mentioned = list_shown(page.read_text(encoding="utf-8"))
    for words in shown:
        command, rest = find_command(words)
        command.make_context(words[0], list(rest))
    for words in mentioned:
        command, rest = find_command(words)
        context = click.Context(command, help_option_names=["-h", "--help"])
        known = {option for parameter in command.get_params(context) for option in parameter.opts}
        assert not {word for word in rest if word.startswith("-")} - known, words


def test_every_command_stands_somewhere_in_the_documentation() -> None:
    stated = {words[0] for page in PAGES for part in list_shown(page.read_text(encoding="utf-8")) for words in part}
    assert set(COMMANDS) - {"schemas"} <= stated


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {make_slug(heading) for heading in headings}, target
