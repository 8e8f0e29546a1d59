import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from instant_credit.record.embedded import destroy_cluster
from instant_credit.record.pool import open_record
from instant_credit.record.reads import iterate_cases
from instant_credit.record.rows import StoredCase
from instant_credit.settings import Settings, read_settings
from tests.record.entries import make_entry
from tests.record.importing import BATCH

REPOSITORY = Path(__file__).parents[2]


def start_import(environ: dict[str, str], rows: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.record.importing", str(rows)],
        cwd=REPOSITORY,
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        text=True,
    )


async def read_book(settings: Settings) -> list[StoredCase]:
    async with open_record(settings) as record:
        cases = [case async for case in iterate_cases(record, "tape", with_decisions=True)]
        for case in cases:
            assert case.natural_key is not None
            entry = make_entry(record, int(case.natural_key.split()[1]))
            assert (case.case, case.decision, set(case.events)) == (entry.case, entry.decision, set(entry.events))
        return cases


@pytest.mark.parametrize("commits", [1, 4])
def test_an_import_killed_in_the_middle_leaves_whole_commits_and_ends_when_run_again(
    settings: Settings, environ: dict[str, str], commits: int
) -> None:
    rows = 20 * BATCH
    with start_import(environ, 1_000 * BATCH) as killed:
        assert killed.stdout is not None
        for _ in range(commits):
            assert killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
    left = asyncio.run(read_book(settings))
    assert len(left) >= commits * BATCH
    assert len(left) % BATCH == 0
    with start_import(environ, rows) as again:
        assert again.wait() == 0
    assert len(asyncio.run(read_book(settings))) == max(rows, len(left))


def test_recorded_bytes_are_the_same_after_a_crash_of_the_database(tmp_path: Path) -> None:
    """The embedded server is killed without a word; whoever comes next finds every commit that had returned."""
    environ = {"INSTANT_CREDIT_HOME": str(tmp_path / "home"), "DATABASE_URL": "", "DATABASE_OWNER_URL": ""}
    environ["INSTANT_CREDIT_KEY_RING"] = ""
    settings = read_settings(environ)

    async def kill_server() -> None:
        async with open_record(settings) as record:
            async with record.connection() as connection:
                pid = await connection.fetchval("SELECT pg_backend_pid()")
            status = Path(f"/proc/{pid}/status").read_text()
            parent = int(next(line for line in status.splitlines() if line.startswith("PPid")).split()[1])
            os.kill(parent, signal.SIGKILL)

    with start_import(environ, 1_000 * BATCH) as killed:
        assert killed.stdout is not None
        for _ in range(3):
            assert killed.stdout.readline()
        asyncio.run(kill_server())
        killed.send_signal(signal.SIGKILL)
        said = 3 + len(killed.stdout.readlines())
    left = asyncio.run(read_book(settings))
    assert len(left) >= said * BATCH
    assert len(left) % BATCH == 0
    destroy_cluster(settings.home)
