"""`instant-credit person` as an operator uses it."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.commands import cli
from instant_credit.errors import NotFound, Refused
from instant_credit.record.commit import commit_entries
from instant_credit.record.drafts import DraftVersion, add_draft_version
from instant_credit.record.ids import new_id
from instant_credit.record.pool import open_record
from instant_credit.record.rows import Entry
from instant_credit.settings import Settings
from tests.record.entries import make_entry

Run = Callable[..., Result]

NUMBER = "911-22-3333"
BY = ("--by", "staff-7")
OWNER = bytes(range(32))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    def call(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(cli, ["person", *arguments], env=environ, input=given)

    return call


def commit(settings: Settings, recorded_at: datetime) -> Entry:
    """A Case of the person whose identity number is NUMBER."""

    async def write() -> Entry:
        async with open_record(settings) as record:
            person_id = record.key_ring.person_id_of(NUMBER)
            bucket = person_id[0]
            twin = next(e for n in range(100_000) if (e := make_entry(record, n)).person_id[0] == bucket)
            entry = replace(twin, person_id=person_id, recorded_at=recorded_at)
            await commit_entries(record, [entry], Actor(kind=ActorKind.JOB, id="test"))
            return entry

    return asyncio.run(write())


def test_a_person_is_shown_by_number_or_by_application_and_nothing_in_the_clear(run: Run, settings: Settings) -> None:
    entry = commit(settings, LONG_AGO)
    shown = run("show", given=f"{NUMBER}\n")
    assert shown.output == (
        "1 applications and loans; the last action on one was on 2020-01-01, kept until 2022-02-01; readable\n"
    )
    assert run("show", "--application", str(entry.case_id)).output == shown.output
    assert run("show", given="911.22.3333").output == shown.output


def test_a_person_is_erased_and_says_so(run: Run, settings: Settings) -> None:
    entry = commit(settings, LONG_AGO)
    named = ("--application", str(entry.case_id))
    asked = run("erase", *named, *BY, "--reason", "PERSON_REQUEST", given="n\n")
    assert asked.exit_code == 1
    assert "readable" in run("show", *named).output
    erased = run("erase", *BY, "--reason", "PERSON_REQUEST", "--yes", given=NUMBER)
    assert erased.output == "erased: 1 applications and loans can't be read any more\n"
    shown = run("show", *named).output
    assert "; erased\n" in shown
    assert re.search(r"erasure .*PERSON_REQUEST .*staff-7", shown)
    again = run("erase", *named, *BY, "--reason", "RETENTION_ENDED", "--yes")
    assert isinstance(again.exception, Refused)


def test_a_person_in_retention_is_not_erased(run: Run, settings: Settings) -> None:
    entry = commit(settings, datetime.now(UTC))
    refused = run("erase", "--application", str(entry.case_id), *BY, "--reason", "PERSON_REQUEST", "--yes")
    assert isinstance(refused.exception, Refused)
    assert "25 months, until" in str(refused.exception)


def test_a_held_person_is_not_erased_until_the_hold_is_released(run: Run, settings: Settings) -> None:
    commit(settings, LONG_AGO)
    hold_id = run("hold", *BY, "--reason", "LITIGATION", given=NUMBER).output.strip()
    assert UUID(hold_id)
    refused = run("erase", *BY, "--reason", "PERSON_REQUEST", "--yes", given=NUMBER)
    assert f"hold {hold_id} (LITIGATION) stands since" in str(refused.exception)
    assert run("release-hold", hold_id, *BY, "--reason", "MATTER_CLOSED").output == f"released {hold_id}\n"
    assert re.search(r"hold .*LITIGATION .*\(MATTER_CLOSED\)", run("show", given=NUMBER).output)
    assert run("erase", *BY, "--reason", "PERSON_REQUEST", "--yes", given=NUMBER).exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("erase", "--reason", "PERSON_REQUEST"),
        ("erase", *BY),
        ("erase", *BY, "--reason", "because"),
        ("hold", *BY),
        ("hold", "--by", "Ada Example", "--reason", "AUDIT"),
        ("hold", "--by", "x" * 65, "--reason", "AUDIT"),
        ("export", *BY, "--to", "x"),
    ],
)
def test_a_command_without_its_codes_and_ids_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("release-hold", NUMBER, *BY, "--reason", "MATTER_CLOSED"),
        ("show", "--application", NUMBER),
        ("show", "--draft", NUMBER),
    ],
)
def test_what_is_no_id_is_refused_and_not_repeated(run: Run, arguments: tuple[str, ...]) -> None:
    refused = run(*arguments)
    assert isinstance(refused.exception, Refused)
    assert NUMBER not in f"{refused.exception}{refused.output}"


def open_draft(settings: Settings) -> UUID:
    """A draft of long ago that names nobody."""

    async def write() -> UUID:
        async with open_record(settings) as record:
            version = DraftVersion(
                draft_id=new_id(OWNER[0], LONG_AGO, record.entropy),
                number=1,
                product="personal_loan",
                client_id="client",
                is_test=False,
                owner=OWNER,
                body=b'{"applicant":{"name":"Ada Example"}}',
                recorded_at=LONG_AGO,
            )
            assert await add_draft_version(record, version, Actor(kind=ActorKind.JOB, id="test"))
            return version.draft_id

    return asyncio.run(write())


def test_an_abandoned_draft_that_names_nobody_is_shown_held_exported_and_erased(
    run: Run, settings: Settings, tmp_path: Path
) -> None:
    named = ("--draft", str(open_draft(settings)))
    assert run("show", *named).output == (
        "0 applications and loans and 1 drafts; the last action on one was on 2020-01-01, kept until 2022-02-01; readable\n"
    )
    exporting = ("export", *named, *BY, "--purpose", "audit", "--to")
    assert run(*exporting, str(tmp_path / "before.json")).exit_code == 0
    (draft,) = json.loads((tmp_path / "before.json").read_bytes())["drafts"]
    assert draft["body"]["applicant"] == {"name": "Ada Example"}
    erasing = ("erase", *named, *BY, "--reason", "RETENTION_ENDED", "--yes")
    hold_id = run("hold", *named, *BY, "--reason", "AUDIT").output.strip()
    assert hold_id in str(run(*erasing).exception)
    run("release-hold", hold_id, *BY, "--reason", "MATTER_CLOSED")
    assert run(*erasing).output == "erased: 0 applications and loans and 1 drafts can't be read any more\n"
    assert run(*exporting, str(tmp_path / "after.json")).exit_code == 0
    (draft,) = json.loads((tmp_path / "after.json").read_bytes())["drafts"]
    assert draft["body"] is None


def test_a_draft_that_is_not_there_names_nobody(run: Run, settings: Settings) -> None:
    draft_id = str(open_draft(settings))
    missing = draft_id[:-1] + ("0" if draft_id[-1] != "0" else "1")
    assert isinstance(run("show", "--draft", missing).exception, NotFound)
    both = run("show", "--draft", draft_id, "--application", draft_id)
    assert "not both" in str(both.exception)


@pytest.mark.parametrize("command", [("show",), ("hold", *BY, "--reason", "AUDIT")])
def test_nobody_is_named_by_nothing(run: Run, command: tuple[str, ...]) -> None:
    assert "on standard input, or --application or --draft" in str(run(*command, given="\n").exception)
    assert isinstance(run(*command, given="000-00-0000\n").exception, NotFound)


def test_an_export_is_for_its_owner_alone_and_replaces_nothing(run: Run, settings: Settings, tmp_path: Path) -> None:
    entry = commit(settings, LONG_AGO)
    run("erase", *BY, "--reason", "RETENTION_ENDED", "--yes", given=NUMBER)
    to = tmp_path / "person.json"
    told = ("export", "--application", str(entry.case_id), *BY, "--purpose", "person_request", "--to", str(to))
    exported = run(*told)
    assert exported.exit_code == 0, exported.output
    assert to.stat().st_mode & 0o777 == 0o600
    read = json.loads(to.read_bytes())
    assert (read["applications"][0]["is_erased"], read["applications"][0]["facts"]) == (True, None)
    assert [one["actor_id"] for one in read["reads"]] == ["staff-7"]
    again = run(*told)
    assert "is there already" in str(again.exception)
    assert json.loads(to.read_bytes()) == read
