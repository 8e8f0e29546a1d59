"""`instant-credit audit` and the anchors that a server appends."""

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import structlog
from click.testing import CliRunner, Result
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.commands import cli
from instant_credit.commands import main as run_main
from instant_credit.commands.anchored import kept_anchored
from instant_credit.record.anchors import AnchorFile
from instant_credit.record.commit import commit_entries
from instant_credit.record.persons import list_reads
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import Settings
from instant_credit.verify_receipt import main as verify_main
from tests.conftest import run_apart
from tests.record.anchored import audit
from tests.record.entries import make_entry

Run = Callable[..., Result]


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    return lambda *arguments: CliRunner().invoke(cli, ["audit", *map(str, arguments)], env=environ)


@pytest.fixture
def decision_id(settings: Settings, actor: Actor) -> UUID:
    """A recorded decision."""

    async def commit() -> UUID:
        async with open_record(settings) as record:
            entry = make_entry(record, 1)
            await commit_entries(record, [entry, make_entry(record, 2)], actor)
            assert entry.decision_id is not None
            return entry.decision_id

    return run_apart(commit())


async def tamper(superuser_url: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    await connection.execute(
        "SET session_replication_role = replica; UPDATE instant_credit.decisions SET outcome = 'decline'"
    )
    await connection.close()


def test_a_record_is_anchored_and_verified(run: Run, decision_id: UUID) -> None:
    assert run("anchor").output.startswith("anchored 1 links in ")
    assert run("anchor").output == "nothing to anchor\n"
    verified = run("verify")
    assert verified.exit_code == 0, verified.output
    assert "read 10 rows, 1 links and 1 anchors" in verified.output
    assert verified.output.endswith("all is what it was\n")


def test_what_no_anchor_covers_is_told_apart(run: Run, settings: Settings, actor: Actor, decision_id: UUID) -> None:
    run("anchor")

    async def commit() -> None:
        async with open_record(settings) as record:
            await commit_entries(record, [make_entry(record, 3)], actor)

    run_apart(commit())
    assert "newer: 1 links over 5 rows since the last anchor" in run("verify").output


def test_tampering_ends_the_audit_with_status_1_and_the_first_bad_link(
    run: Run, superuser_url: str, decision_id: UUID
) -> None:
    run("anchor")
    run_apart(tamper(superuser_url))
    found = run("verify")
    assert found.exit_code == 1
    assert "NOT what it was: 3 findings" in found.stderr
    first = found.stderr.splitlines()[1]
    assert first.startswith("  anchor 1, link 0 of writer ")
    assert first.endswith(": 2 of its 10 rows were changed or removed")
    assert f"decisions {decision_id}: no link names this row as it is" in found.stderr


def test_anchors_and_key_of_another_place_are_used(
    run: Run, settings: Settings, tmp_path: Path, decision_id: UUID
) -> None:
    run("anchor")
    public_key = run("public-key").output.strip()
    copy = tmp_path / "copy.jsonl"
    settings.anchors_file.rename(copy)
    settings.anchor_key_file.unlink()
    assert run("verify", "--anchors", copy, "--public-key", public_key).exit_code == 0
    assert run("verify", "--anchors", copy, "--public-key", "00" * 32).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", "--anchors", "none"], "there is no file of anchors at none"),
        (["verify"], "there is no anchor key"),
        (["verify", "--public-key", "ab"], "--public-key: the public key is 64 hex digits"),
        (["public-key"], "there is no anchor key"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    environ: dict[str, str],
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["instant-credit", "audit", *arguments])
    with pytest.raises(SystemExit, match="1"):
        run_main()
    assert capsys.readouterr().err.startswith(f"error: {says}")


def test_a_receipt_is_written_for_its_owner_alone_and_is_true(
    run: Run, settings: Settings, tmp_path: Path, decision_id: UUID
) -> None:
    to = tmp_path / "receipt.json"
    early = run("receipt", decision_id, "--to", to)
    assert "no anchor covers this decision yet" in str(early.exception)
    assert not to.exists()
    run("anchor")
    assert run("receipt", decision_id, "--to", to, "--purpose", "legal").output == f"wrote {to}\n"
    assert to.stat().st_mode & 0o777 == 0o600
    assert verify_main([str(to), "--public-key", run("public-key").output.strip()]) == 0
    assert "not found" in str(run("receipt", uuid4(), "--to", tmp_path / "other.json").exception)

    async def read_log() -> list[str]:
        async with open_record(settings) as record:
            return [read.purpose for read in await list_reads(record, make_entry(record, 1).person_id)]

    assert run_apart(read_log()) == ["legal"]


@pytest.mark.parametrize("is_link", [False, True])
def test_a_receipt_is_written_over_nothing_and_through_no_link(
    run: Run, tmp_path: Path, decision_id: UUID, is_link: bool
) -> None:
    run("anchor")
    to, other = tmp_path / "receipt.json", tmp_path / "other"
    if is_link:
        to.symlink_to(other)
    else:
        to.write_text("kept")
        to.chmod(0o644)
    refused = run("receipt", decision_id, "--to", to)
    assert refused.exit_code == 1
    assert str(refused.exception) == f"{to} is there already: name another file"
    assert not other.exists()
    assert is_link or to.read_text() == "kept"


def test_a_lost_file_of_anchors_is_begun_anew_only_when_told(run: Run, settings: Settings, decision_id: UUID) -> None:
    run("anchor")
    settings.anchors_file.unlink()
    refused = run("anchor")
    assert "instant-credit audit anchor --new-file" in str(refused.exception)
    assert not settings.anchors_file.exists()
    assert run("anchor", "--new-file").output.startswith("anchored 1 links in ")
    assert run("verify").exit_code == 0


def cut_off(path: Path) -> None:
    """Keep the first anchor of two."""
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


@pytest.mark.parametrize(
    "lose", [Path.unlink, lambda path: path.write_bytes(b""), cut_off], ids=["gone", "empty", "cut"]
)
def test_an_audit_without_all_of_its_anchors_vouches_for_nothing(
    run: Run, settings: Settings, decision_id: UUID, lose: Callable[[Path], Any]
) -> None:
    run("anchor")
    run("receipt", decision_id, "--to", settings.anchors_file.with_name("receipt.json"))
    run("anchor")
    whole = settings.anchors_file.read_bytes()
    assert len(whole.splitlines()) == 2
    lose(settings.anchors_file)
    verified = run("verify")
    assert verified.exit_code == 1
    assert "all is what it was" not in verified.output
    assert str(settings.anchors_file) in verified.output
    assert "put the copy back" in verified.output
    settings.anchors_file.write_bytes(whole)
    assert run("verify").exit_code == 0


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def commit_and_serve(record: Record, settings: Settings, actor: Actor, *, seconds: float = 0.0) -> None:
    async with kept_anchored(record, settings):
        await commit_entries(record, [make_entry(record, 1)], actor)
        await asyncio.sleep(seconds)


@pytest.mark.anyio
async def test_a_server_anchors_at_its_end(record: Record, settings: Settings, actor: Actor) -> None:
    await commit_and_serve(record, settings, actor)
    report = await audit(record, settings)
    assert (report.found, report.anchors, report.newer_links) == (0, 1, 0)


@pytest.mark.anyio
async def test_a_server_that_is_told_not_to_anchor_makes_no_key(
    record: Record, settings: Settings, actor: Actor
) -> None:
    await commit_and_serve(record, replace(settings, anchor_seconds=0), actor)
    assert not settings.anchor_key_file.exists()
    assert not settings.anchors_file.exists()


@pytest.mark.anyio
async def test_what_keeps_a_server_from_anchoring_is_logged_and_ends_nothing(
    record: Record, settings: Settings, actor: Actor, logged: list[MutableMapping[str, Any]]
) -> None:
    async with kept_anchored(record, settings):
        await commit_entries(record, [make_entry(record, 1)], actor)
        settings.anchors_file.write_bytes(b"no anchor\n")
    (line,) = logged
    assert (line["event"], line["error"]) == ("not_anchored", "Refused")
    assert str(settings.anchors_file) in str(line["detail"])


@pytest.mark.anyio
async def test_lost_anchors_end_nothing_are_told_at_once_and_gone_on_with_once_they_are_back(
    record: Record, settings: Settings, actor: Actor, logged: list[MutableMapping[str, Any]]
) -> None:
    await commit_and_serve(record, settings, actor)
    whole = settings.anchors_file.read_bytes()
    settings.anchors_file.unlink()
    seen: list[int] = []
    async with kept_anchored(record, settings, seen.append):
        (line,) = logged
        assert (line["event"], line["log_level"], line["error"]) == ("not_anchored", "error", "AnchorsLost")
        assert "--new-file" in str(line["detail"])
        await commit_entries(record, [make_entry(record, 2)], actor)
        assert not settings.anchors_file.exists()
        settings.anchors_file.write_bytes(whole)
    assert (seen, len(logged)) == ([1, 0], 1)
    report = await audit(record, settings)
    assert (report.found, report.anchors, report.newer_links) == (0, 2, 0)


@pytest.mark.anyio
async def test_a_file_that_another_process_appends_to_is_left_to_it(
    record: Record, settings: Settings, actor: Actor, logged: list[MutableMapping[str, Any]]
) -> None:
    with AnchorFile(settings.anchors_file).locked():
        await commit_and_serve(record, settings, actor)
    assert logged == []
    assert settings.anchors_file.read_bytes() == b""
