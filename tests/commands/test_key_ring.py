"""`instant-credit key-ring` as an operator uses it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.commands import cli
from instant_credit.errors import Refused
from instant_credit.record.commit import commit_entries
from instant_credit.record.pool import open_record
from instant_credit.record.reads import iterate_cases
from instant_credit.record.rings import read_key_ring
from instant_credit.settings import Settings
from tests.record.entries import make_entry

Run = Callable[..., Result]


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    return lambda *arguments: CliRunner().invoke(cli, ["key-ring", *arguments], env=environ)


def commit(settings: Settings, *numbers: int) -> None:
    async def write() -> None:
        async with open_record(settings) as record:
            actor = Actor(kind=ActorKind.JOB, id="test")
            await commit_entries(record, [make_entry(record, number) for number in numbers], actor)

    asyncio.run(write())


def read_all(settings: Settings) -> set[bytes | None]:
    async def read() -> set[bytes | None]:
        async with open_record(settings) as record:
            return {case.case async for case in iterate_cases(record, "tape")}

    return asyncio.run(read())


def test_a_ring_is_rotated_and_the_former_key_retired(run: Run, settings: Settings) -> None:
    commit(settings, 1, 2, 3)
    former = read_key_ring(settings.key_ring).current
    rotated = run("rotate")
    newest = read_key_ring(settings.key_ring).current
    assert rotated.output == (
        f"Master key {newest} is current; 3 data keys wrapped anew. Copy the ring to where its copies are kept.\n"
    )
    listed = [line.split("│")[1:] for line in run("list").output.splitlines() if former in line or newest in line]
    assert [[cell.strip() for cell in cells[:3]] for cells in listed] == [[former, "", "0"], [newest, "yes", "3"]]
    assert run("retire").output == f"retired {former}\n"
    assert run("retire").output == "nothing to retire: no master key is older than the current one\n"
    assert read_key_ring(settings.key_ring).master_key_ids == (newest,)
    assert read_all(settings) == {b"case 1", b"case 2", b"case 3"}


def test_a_key_is_added_first_where_copies_of_the_ring_are_used(run: Run, settings: Settings) -> None:
    commit(settings, 1)
    added = run("add").output.split()[3].rstrip(":")
    assert read_key_ring(settings.key_ring).current != added
    assert f"Master key {added} is current" in run("rotate").output


def test_an_unfinished_rotation_is_finished_before_another_begins(run: Run, settings: Settings) -> None:
    commit(settings, 1, 2)
    copy = settings.key_ring.read_bytes()
    run("rotate")
    turned = settings.key_ring.read_bytes()
    newest = read_key_ring(settings.key_ring).current
    settings.key_ring.write_bytes(copy)
    commit(settings, 3)
    settings.key_ring.write_bytes(turned)
    assert isinstance(run("retire").exception, Refused)
    assert f"was not finished: master key {newest} stays current; 1 data keys wrapped anew" in run("rotate").output
    assert read_key_ring(settings.key_ring).current == newest
    assert run("retire").exit_code == 0
    assert read_all(settings) == {b"case 1", b"case 2", b"case 3"}


def test_a_key_that_this_ring_lacks_is_listed_as_such(run: Run, settings: Settings) -> None:
    commit(settings, 1)
    copy = settings.key_ring.read_bytes()
    run("rotate")
    newest = read_key_ring(settings.key_ring).current
    settings.key_ring.write_bytes(copy)
    assert newest in (listed := run("list").output)
    assert "not in this ring" in listed


def test_a_killed_rotation_leaves_every_case_readable_and_is_finished_later(
    run: Run, settings: Settings, environ: dict[str, str]
) -> None:
    commit(settings, *range(3_000))
    former = read_key_ring(settings.key_ring).current
    command = [sys.executable, "-m", "instant_credit.commands", "key-ring", "rotate"]
    process = subprocess.Popen(command, env=os.environ | environ, stdout=subprocess.PIPE)
    while read_key_ring(settings.key_ring).current == former:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert None not in read_all(settings)
    assert run("rotate").exit_code == 0
    assert run("retire").exit_code == 0
    assert former not in read_key_ring(settings.key_ring).master_key_ids
    assert len(read_all(settings)) == 3_000
