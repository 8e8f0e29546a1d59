"""Every decoder of the package meets arbitrary, bent and hostile bytes: it answers with a value or with the error it announces.

Decoders that stand in a module are found by themselves; what reads from outside is listed in `READERS`. A module that decodes and is neither found
nor listed fails the first test.
"""

import ast
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from instant_credit.application.document import decode_product, load_product
from instant_credit.application.door import Door, Told
from instant_credit.canonical import UNREADABLE
from instant_credit.commands.inheriting import decode_inheritance
from instant_credit.decision.gate_report import decode_gate_report
from instant_credit.decision.release import decode_manifest, decode_reference
from instant_credit.errors import Problem, Refused
from instant_credit.experiment.caps import decode_caps, read_caps
from instant_credit.experiment.exploration import decode_end, decode_programme, read_programme
from instant_credit.experiment.layers import decode_layers, read_layers
from instant_credit.experiment.plan import decode_plan, read_plan
from instant_credit.factory.triggers import decode_trigger, load_trigger
from instant_credit.outcome.alerts import load_rules
from instant_credit.policy.document import decode_policy, read_policy
from instant_credit.record.rings import create_key_ring, read_key_ring
from instant_credit.record.shipped import read_starter
from instant_credit.score.bundle import decode_bundle
from instant_credit.score.scorecard import read_scorecard
from instant_credit.training.gates.thresholds import decode_thresholds, read_thresholds
from instant_credit.training.manifest import decode_training
from instant_credit.training.tapes.mapping import load_mapping, read_product_name
from instant_credit.verify_receipt import FalseReceiptError, verify_receipt
from tests.budget import examples
from tests.house.source import PACKAGE, modules, name_of
from tests.lending import Documents

LISTED = {
    "application/complaints.py": "read by Door.read_application, in READERS",
    "application/document.py": "load_product and decode_product, in READERS",
    "application/door.py": "Door.read_application, in READERS",
    "policy/document.py": "read_policy and decode_policy, in READERS",
    "record/rings.py": "read_key_ring, in READERS",
    "score/scorecard.py": "read_scorecard, in READERS",
    "verify_receipt.py": "verify_receipt, below",
    "training/tapes/mapping.py": "load_mapping and read_product_name, in READERS",
    # What follows reads what this package, or a library in the same process, wrote a moment before.
    "commands/demo.py": "prints what its own server answered",
    "record/embedded.py": "the embedded database's own passwords, in a folder of mode 0700",
    "training/fitting/compile.py": "CatBoost's export of the model just fitted",
    "training/fitting/journal.py": "looks whether lines of the search's own journal are objects",
    "record/queue_steps.py": "what a step of a job came to, whose hash the record holds; in tests/training/test_kept_steps.py",
    "training/forms.py": "the same of a scorecard",
}
# These only convert a value that is a word already.
CONVERTING = {"client/calls.py", "training/drafting/documents/folder.py"}
DECODING = {"Decoder", "JSONDecoder", "decode", "loads", "convert"}
LIBRARIES = {"msgspec", "json", "toml", "tomllib", "yaml", "msgpack"}
DOCUMENTS = {
    "product": decode_product,
    "policy": decode_policy,
    "model": decode_bundle,
    "reference": decode_reference,
    "release": decode_manifest,
}


def decodes(node: ast.AST) -> bool:
    """Whether `node` calls what turns bytes, text or builtins into values."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    root: ast.expr = node.func
    while isinstance(root, ast.Attribute):
        root = root.value
    return node.func.attr in DECODING and isinstance(root, ast.Name) and root.id in LIBRARIES


@cache
def decoders() -> dict[str, "msgspec.json.Decoder[Any]"]:
    """Every decoder that stands in a module, by module and name."""
    found: dict[str, msgspec.json.Decoder[Any]] = {}
    for path, tree in modules().items():
        if not any(decodes(node) for node in ast.walk(tree)):
            continue
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for attribute, value in vars(import_module(name)).items():
            if isinstance(value, msgspec.json.Decoder):
                found[f"{path.relative_to(PACKAGE)}:{attribute}"] = value
    return found


def test_every_module_that_decodes_is_fuzzed() -> None:
    found = {key.partition(":")[0] for key in decoders()}
    decoding = {str(path.relative_to(PACKAGE)) for path, tree in modules().items() if any(map(decodes, ast.walk(tree)))}
    assert decoding - found - set(LISTED) - CONVERTING == set()
    assert set(LISTED) | CONVERTING <= decoding, "a module on the list decodes nothing any more"


def test_a_decoder_that_is_called_otherwise_is_found() -> None:
    for call in ("msgspec.json.Decoder(X)", "msgspec.toml.decode(a, type=X)", "json.loads(a)", "msgspec.convert(a, X)"):
        assert decodes(ast.parse(call, mode="eval").body), call
    assert not decodes(ast.parse("base64.b64decode(a)", mode="eval").body)
    for path, tree in modules().items():
        strays = [
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in {"msgspec", "msgspec.json", "json", "tomllib"}
            for alias in node.names
            if alias.name in DECODING
        ]
        assert strays == [], name_of(path)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([2**63, -(2**64), 10**400]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
HOSTILE = [
    b"",
    b"null",
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b"9" * 50_000,
    b"1e999999999",
    b"NaN",
    b'{"a":1,"a":2}',
    b'"\xff\xfe"',
    b'{"\xff":1}',
    b'"\\ud800"',
    bytes(1_000),
]


@st.composite
def bent(draw: st.DrawFn, whole: bytes) -> bytes:
    """A valid document with some place of it replaced, as a value or as bytes."""
    if draw(st.booleans()):
        raw = bytearray(whole)
        for _ in range(draw(st.integers(1, 4))):
            at = draw(st.integers(0, max(0, len(raw) - 1)))
            raw[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
        return bytes(raw)
    document = json.loads(whole)
    place, key = None, None
    inner = document
    while isinstance(inner, (dict, list)) and inner:
        place, key = inner, draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
        inner = place[key]
        if draw(st.integers(0, 3)) == 0:
            break
    if place is not None:
        place[key] = draw(values)
    return json.dumps(document).encode()


def some_bytes(whole: bytes | None) -> st.SearchStrategy[bytes]:
    """Bytes that a decoder may meet, near to a valid document where there is one."""
    free = [
        st.binary(max_size=200),
        values.map(lambda value: json.dumps(value).encode()),
        st.sampled_from(HOSTILE),
    ]
    return st.one_of(*free) if whole is None else st.one_of(*free, bent(whole), bent(whole))


@pytest.mark.parametrize("name", sorted(decoders()))
def test_a_decoder_ends_in_a_value_or_in_its_error(name: str) -> None:
    decoder = decoders()[name]

    @examples(30)
    @given(some_bytes(None))
    def meet(raw: bytes) -> None:
        end_in(decoder.decode, raw, UNREADABLE)

    for raw in HOSTILE:
        end_in(decoder.decode, raw, UNREADABLE)
    meet()


def end_in(read: Callable[[bytes], object], raw: bytes, announced: tuple[type[Exception], ...]) -> None:
    with suppress(*announced):
        read(raw)


@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_a_recorded_document_is_read_or_refused(kind: str, documents: Documents) -> None:
    whole = dict(documents.parts)[kind]
    read: Callable[[bytes], object] = DOCUMENTS[kind]
    read(whole)

    @examples(
        25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    )
    @given(some_bytes(whole))
    def meet(raw: bytes) -> None:
        end_in(read, raw, (Refused,))

    for raw in HOSTILE:
        end_in(read, raw, (Refused,))
    meet()


def as_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda raw: read(raw.decode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("read", "whole"),
    [
        (load_product, read_starter("products", "personal_loan")),
        (read_policy, read_starter("policies", "personal_loan")),
        (read_product_name, read_starter("mappings", "lending_club_2007_2011")),
        (
            lambda text: load_mapping(text, load_product(read_starter("products", "personal_loan"))),
            read_starter("mappings", "lending_club_2007_2011"),
        ),
        (read_thresholds, read_starter("gates", "standard")),
        (read_scorecard, read_starter("scorecards", "personal_loan")),
        (load_rules, read_starter("alerts", "standard")),
        (load_trigger, read_starter("triggers", "learning")),
        (read_plan, read_starter("plans", "personal_loan_prices")),
        (read_layers, read_starter("layers", "personal_loan")),
        (read_programme, read_starter("explorations", "personal_loan")),
        (read_caps, read_starter("caps", "personal_loan")),
    ],
    ids=[
        "product",
        "policy",
        "mapping's product",
        "mapping",
        "thresholds of gates",
        "scorecard",
        "alert rules",
        "trigger",
        "plan",
        "layers",
        "exploration programme",
        "portfolio caps",
    ],
)
def test_a_document_in_toml_is_read_or_refused(read: Callable[[str], object], whole: str) -> None:
    lines = whole.splitlines(keepends=True)

    @examples(
        15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    )
    @given(st.data())
    def meet(data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(lines) - 1))
        name = lines[at].partition("=")[0].strip() or "a"
        value = data.draw(
            st.sampled_from(
                ["1", "-1", "1e400", "nan", '""', '"\\u0000"', "[]", "[[1]]", "{}", "true", "1979-05-27", "'x"]
            )
        )
        bent_lines = [*lines[:at], f"{name} = {value}\n", *lines[at + data.draw(st.integers(0, 1)) :]]
        end_in(as_text(read), "".join(bent_lines).encode(), (Refused,))

    hostile = [
        *HOSTILE,
        b"a = " + b"[" * 2_000,
        b"a = " + b"{b=" * 2_000,
        b"a" + b".a" * 2_000 + b" = 1",
        b"[" * 2_000,
    ]
    for raw in hostile:
        end_in(as_text(read), raw, (Refused,))
    meet()


def test_a_training_is_read_or_refused() -> None:
    for raw in HOSTILE:
        end_in(decode_training, raw, (Refused,))


def test_a_recorded_trigger_is_read_or_refused() -> None:
    for raw in HOSTILE:
        end_in(decode_trigger, raw, (Refused,))


def test_recorded_plans_and_layers_are_read_or_refused() -> None:
    for raw in HOSTILE:
        end_in(decode_plan, raw, (Refused,))
        end_in(decode_layers, raw, (Refused,))


def test_an_exploration_programme_is_read_or_refused() -> None:
    for raw in HOSTILE:
        end_in(decode_programme, raw, (Refused,))
        end_in(decode_end, raw, (Refused,))


def test_portfolio_caps_are_read_or_refused() -> None:
    for raw in HOSTILE:
        end_in(decode_caps, raw, (Refused,))


def test_gates_documents_are_read_or_refused() -> None:
    for raw in HOSTILE:
        end_in(decode_gate_report, raw, (Refused,))
        end_in(decode_thresholds, raw, (Refused,))


def test_what_a_worker_inherits_is_read_or_refused() -> None:
    for raw in HOSTILE:
        end_in(as_text(decode_inheritance), raw, (Refused,))


def test_a_key_ring_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    create_key_ring(path)
    whole = path.read_bytes()

    @examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(some_bytes(whole))
    def meet(raw: bytes) -> None:
        path.write_bytes(raw)
        end_in(lambda _: read_key_ring(path), raw, (Refused,))

    for raw in HOSTILE:
        path.write_bytes(raw)
        end_in(lambda _: read_key_ring(path), raw, (Refused,))
    meet()


def test_the_door_answers_hostile_bytes_with_problems() -> None:
    door = Door(load_product(read_starter("products", "personal_loan")))
    for raw in HOSTILE:
        found = door.read_application(raw, date(2024, 3, 1))
        assert not isinstance(found, Told)
        assert found
        assert all(isinstance(one, Problem) for one in found)


def test_a_receipt_that_cannot_be_read_is_false() -> None:
    for raw in HOSTILE:
        end_in(lambda given: verify_receipt(given, bytes(32)), raw, (FalseReceiptError,))
