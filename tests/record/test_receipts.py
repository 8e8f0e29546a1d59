"""Receipts: what is in the record proves itself offline, and nothing else does."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import instant_credit.verify_receipt as verifier
from instant_credit.access.actors import Actor
from instant_credit.access.purposes import ErasureReason
from instant_credit.canonical import encode_canonical
from instant_credit.errors import BrokenInvariant, NotFound
from instant_credit.record.commit import commit_entries
from instant_credit.record.owning import open_owner
from instant_credit.record.persons import erase_person
from instant_credit.record.pool import Record
from instant_credit.record.receipts import NotAnchored, make_receipt
from instant_credit.record.rows import Entry
from instant_credit.settings import Settings
from instant_credit.verify_receipt import (
    FalseReceiptError,
    Verified,
    climb,
    commit_decision,
    hash_decision_leaf,
    hash_leaf,
    hash_link,
    main,
    read_public_key,
    signed_bytes,
    verify_receipt,
)
from tests.budget import examples
from tests.clock import FixedClock
from tests.record.anchored import anchor, audit, fill, public_key_of
from tests.record.entries import make_entry, make_keyed
from tests.record.test_audit import run_as_superuser

pytestmark = pytest.mark.anyio

FILE = Path(verifier.__file__)


async def receive(record: Record, decision_id: UUID) -> bytes:
    """A receipt's bytes."""
    return encode_canonical(await make_receipt(record, decision_id))


async def make_one(record: Record, settings: Settings, actor: Actor, entry: Entry | None = None) -> tuple[Entry, bytes]:
    """A Decision among others, and its receipt."""
    entry = make_keyed(record, 500, "receipt") if entry is None else entry
    others = [make_entry(record, number) for number in range(600, 604)]
    await commit_entries(record, [*others, entry], actor)
    await anchor(record, settings)
    assert entry.decision_id is not None
    return entry, await receive(record, entry.decision_id)


@pytest.fixture
async def true_receipt(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> tuple[dict[str, Any], bytes]:
    """A receipt as its object, and the public key."""
    await fill(record, settings, clock, actor, rounds=2)
    _, raw = await make_one(record, settings, actor)
    return json.loads(raw), public_key_of(settings)


def encode(receipt: Any) -> bytes:
    return json.dumps(receipt).encode()


async def test_a_receipt_proves_the_decision_its_release_and_its_anchor(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    await fill(record, settings, clock, actor, rounds=2)
    entry, raw = await make_one(record, settings, actor)
    assert entry.decision is not None
    assert verify_receipt(raw, public_key_of(settings)) == Verified(
        decision_id=entry.decision_id,  # type: ignore[arg-type] # a decided entry has one
        release_hash=entry.release_hash,  # type: ignore[arg-type] # and one of these
        decision=entry.decision.decode(),
        anchor_number=4,
        anchored_at=clock.now().isoformat(timespec="microseconds"),
    )
    assert raw == await receive(record, entry.decision_id)  # type: ignore[arg-type] # as above


async def test_every_decision_of_a_record_has_a_true_receipt(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    await fill(record, settings, clock, actor)
    await anchor(record, settings)
    erased = make_entry(record, 1).decision_id
    async with record.connection() as connection:
        rows = await connection.fetch("SELECT decision_id FROM decisions WHERE decision_id <> $1", erased)
    assert len(rows) == 21
    for row in rows:
        verify_receipt(await receive(record, row["decision_id"]), public_key_of(settings))


async def test_a_receipt_tells_nothing_of_other_rows(record: Record, settings: Settings, actor: Actor) -> None:
    entry, raw = await make_one(record, settings, actor)
    told = raw.decode()
    for hidden in (entry.case_id, entry.person_id.hex(), "client", "identity", "decision 600"):
        assert str(hidden) not in told


async def test_a_decision_that_is_not_there_has_no_receipt(record: Record) -> None:
    with pytest.raises(NotFound):
        await make_receipt(record, uuid4())


async def test_a_decision_that_no_anchor_covers_has_no_receipt_yet(
    record: Record, settings: Settings, actor: Actor
) -> None:
    entry = make_keyed(record, 1, "key")
    await commit_entries(record, [entry], actor)
    assert entry.decision_id is not None
    with pytest.raises(NotAnchored):
        await make_receipt(record, entry.decision_id)
    await anchor(record, settings)
    later = make_keyed(record, 2, "later")
    await commit_entries(record, [later], actor)
    assert later.decision_id is not None
    with pytest.raises(NotAnchored):
        await make_receipt(record, later.decision_id)


async def test_an_erased_persons_decision_has_no_receipt_and_an_old_receipt_stays_true(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    entry, raw = await make_one(record, settings, actor)
    clock.advance(timedelta(days=800))
    async with open_owner(settings) as owner:
        await erase_person(record, owner, entry.person_id, ErasureReason.PERSON_REQUEST, actor)
    with pytest.raises(NotFound):
        await make_receipt(record, entry.decision_id)  # type: ignore[arg-type] # a decided entry has one
    assert verify_receipt(raw, public_key_of(settings)).decision == "decision 500"
    assert (await audit(record, settings)).found == 0


async def test_a_decision_that_is_older_than_the_chain_has_no_receipt(
    record: Record, settings: Settings, actor: Actor, superuser_url: str
) -> None:
    entry, _ = await make_one(record, settings, actor)
    await run_as_superuser(superuser_url, "UPDATE decisions SET commitment = NULL, writer_id = NULL, link_seq = NULL")
    with pytest.raises(NotFound):
        await make_receipt(record, entry.decision_id)  # type: ignore[arg-type] # a decided entry has one


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE decisions SET outcome = 'decline'",
        "UPDATE decisions SET commitment = set_byte(commitment, 0, get_byte(commitment, 0) # 1)",
        "UPDATE links SET link = set_byte(link, 0, get_byte(link, 0) # 1)",
    ],
)
async def test_a_record_that_was_changed_gives_no_receipt(
    record: Record, settings: Settings, actor: Actor, superuser_url: str, tampering: str
) -> None:
    entry, _ = await make_one(record, settings, actor)
    await run_as_superuser(superuser_url, tampering)
    with pytest.raises(BrokenInvariant):
        await make_receipt(record, entry.decision_id)  # type: ignore[arg-type] # a decided entry has one


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(receipt: dict[str, Any]) -> None:
        told = receipt
        for name in path[:-1]:
            told = told[name]
        assert told[path[-1]] != value
        told[path[-1]] = value

    return change


def drop_step(receipt: dict[str, Any]) -> None:
    receipt["in_anchor"]["path"].pop()


def swap_steps(receipt: dict[str, Any]) -> None:
    path = receipt["in_link"]["path"]
    path[0], path[1] = path[1], path[0]


FALSE = {
    "another Decision": put("decision", value="decision 501"),
    "another id": put("decision_id", value=str(uuid4())),
    "another release": put("release_hash", value="c" * 64),
    "another salt": put("salt", value="00" * 32),
    "another row": put("rest", value="00" * 32),
    "another place in the link": swap_steps,
    "another time of recording": put("link", "recorded_us", value=1),
    "another place in the chain": put("link", "seq", value=77),
    "another former link": put("link", "previous", value="00" * 32),
    "a path that is too short": drop_step,
    "another root": put("head", "root", value="00" * 32),
    "another time of anchoring": put("head", "at", value="2020-01-01T00:00:00+00:00"),
    "another number of the anchor": put("head", "number", value=1),
    "another signature": put("signature", value="00" * 64),
    "another format": put("format", value="receipt"),
    "another format of the anchor": put("head", "format", value="instant-credit anchor 2"),
}


@pytest.mark.parametrize("kind", FALSE)
async def test_a_false_receipt_is_refused(true_receipt: tuple[dict[str, Any], bytes], kind: str) -> None:
    receipt, public_key = true_receipt
    verify_receipt(encode(receipt), public_key)
    FALSE[kind](receipt)
    with pytest.raises(FalseReceiptError):
        verify_receipt(encode(receipt), public_key)


async def test_a_receipt_signed_by_another_key_is_refused(true_receipt: tuple[dict[str, Any], bytes]) -> None:
    receipt, public_key = true_receipt
    for other in (bytes(32), public_key[::-1], b""):
        with pytest.raises(FalseReceiptError, match="signature"):
            verify_receipt(encode(receipt), other)


def climb_place(leaf: bytes, told: dict[str, Any]) -> bytes:
    root = climb(leaf, told["index"], told["size"], [bytes.fromhex(step) for step in told["path"]])
    assert root is not None
    return root


def forge(receipt: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Another Decision with every hash up to the head computed for it and signed by a key of the forger's; and that key."""
    forged = receipt | {"decision": "a forged decision", "head": dict(receipt["head"])}
    decision_id, link = UUID(forged["decision_id"]), forged["link"]
    commitment = commit_decision(
        bytes.fromhex(forged["salt"]), decision_id, forged["release_hash"], forged["decision"].encode()
    )
    leaf = hash_decision_leaf(decision_id, commitment, bytes.fromhex(forged["rest"]))
    root, previous = climb_place(leaf, forged["in_link"]), bytes.fromhex(link["previous"])
    linked = hash_link(UUID(link["writer_id"]).bytes, link["seq"], previous, root, link["recorded_us"])
    forged["head"]["root"] = climb_place(hash_leaf(linked), forged["in_anchor"]).hex()
    key = Ed25519PrivateKey.generate()
    forged["signature"] = key.sign(signed_bytes(forged["head"])).hex()
    return forged, key.public_key().public_bytes_raw()


async def test_a_forged_receipt_in_which_all_but_the_key_fits_is_refused(
    true_receipt: tuple[dict[str, Any], bytes],
) -> None:
    receipt, public_key = true_receipt
    forged, key_of_forger = forge(receipt)
    assert verify_receipt(encode(forged), key_of_forger).decision == "a forged decision"
    for signature in (forged["signature"], receipt["signature"]):
        with pytest.raises(FalseReceiptError, match="signature"):
            verify_receipt(encode(forged | {"signature": signature}), public_key)


async def test_parts_of_two_true_receipts_are_no_receipt(record: Record, settings: Settings, actor: Actor) -> None:
    raws = [
        (await make_one(record, settings, actor, make_keyed(record, number, f"receipt {number}")))[1]
        for number in (500, 510)
    ]
    one, other = (json.loads(raw) for raw in raws)
    differing = [name for name in one if one[name] != other[name]]
    assert {"decision_id", "decision", "salt", "rest", "in_link", "link", "head", "signature"} >= set(differing)
    assert len(differing) >= 6
    for count in range(1, len(differing)):
        for names in combinations(differing, count):
            with pytest.raises(FalseReceiptError):
                verify_receipt(encode(one | {name: other[name] for name in names}), public_key_of(settings))


def parts_of(told: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    for name, value in told.items() if isinstance(told, dict) else ():
        found += parts_of(value, (*path, name))
    return found


async def test_a_receipt_with_any_part_missing_or_of_another_kind_is_refused(
    true_receipt: tuple[dict[str, Any], bytes],
) -> None:
    receipt, public_key = true_receipt
    for path in parts_of(receipt):
        for value in (None, True, -1, 1 << 70, 1.5, "", "zz", "\ud800", [], ["x"], {}, [[]] * 3):
            changed = json.loads(encode(receipt))
            told = changed
            for name in path[:-1]:
                told = told[name]
            told[path[-1]] = value
            with pytest.raises(FalseReceiptError):
                verify_receipt(encode(changed), public_key)
            del told[path[-1]]
            with pytest.raises(FalseReceiptError):
                verify_receipt(encode(changed), public_key)


@given(st.binary(max_size=200))
@examples(200)
def test_bytes_that_are_no_receipt_are_refused(raw: bytes) -> None:
    with pytest.raises(FalseReceiptError):
        verify_receipt(raw, bytes(32))


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"[]", b"1", b'{"format": NaN}', b" " * (5 * 1024 * 1024)])
def test_a_file_that_would_cost_much_is_refused(raw: bytes) -> None:
    with pytest.raises(FalseReceiptError):
        verify_receipt(raw, bytes(32))


def test_a_public_key_is_hex_or_a_file_of_it(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("ab" * 32 + "\n")
    assert read_public_key("ab" * 32) == read_public_key(str(file)) == b"\xab" * 32
    file.write_bytes(b"\xff")
    for wrong in ("", "ab", "zz" * 32, str(file), str(tmp_path)):
        with pytest.raises(FalseReceiptError, match="64 hex digits"):
            read_public_key(wrong)


def test_the_verifier_needs_python_and_cryptography_alone() -> None:
    names = set()
    for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(str(node.module).split(".")[0])
    assert names - sys.stdlib_module_names == {"cryptography"}


async def test_the_lone_file_accepts_a_true_receipt_and_refuses_every_kind_of_false_one(
    true_receipt: tuple[dict[str, Any], bytes], tmp_path: Path
) -> None:
    receipt, public_key = true_receipt
    lone = tmp_path / "verify_receipt.py"
    shutil.copy(FILE, lone)
    written = tmp_path / "receipt.json"

    def check(told: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
        written.write_bytes(encode(told))
        command = [sys.executable, "-I", str(lone), str(written), "--public-key", public_key.hex()]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    true = check(receipt)
    assert true.returncode == 0
    assert receipt["decision_id"] in true.stdout
    falsified = [json.loads(encode(receipt)) for _ in FALSE]
    for change, told in zip(FALSE.values(), falsified, strict=True):
        change(told)
    for told in (*falsified, forge(receipt)[0]):
        false = check(told)
        assert (false.returncode, false.stdout) == (1, "")
        assert false.stderr.startswith("FALSE: ")


def test_a_receipt_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), "--public-key", "ab" * 32]) == 1
    assert "FALSE" in capsys.readouterr().err
