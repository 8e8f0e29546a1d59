"""The demo, as a newcomer runs it: nothing but a home of its own."""

import asyncio
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from instant_credit.record.api_keys import ApiKeyRow, list_keys
from instant_credit.record.embedded import destroy_cluster
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own, its database deleted at the end."""
    yield tmp_path / "home"
    destroy_cluster(tmp_path / "home")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_demo_ends_with_one_approval_one_decline_and_one_refusal(home: Path) -> None:
    environ = {**os.environ, "INSTANT_CREDIT_HOME": str(home), "DATABASE_URL": "", "DATABASE_OWNER_URL": ""}
    done = subprocess.run(
        [sys.executable, "-m", "instant_credit.commands", "demo"],
        env={**environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "8,871 rows in = 8,871 recorded" in done.stdout
    approved, declined, refused = re.findall(r"─ (?:A loan|An application).*?╰", done.stdout, re.DOTALL)
    assert "HTTP 201" in approved
    assert "approve" in approved
    assert "APR" in approved
    assert "HTTP 201" in declined
    assert "decline" in declined
    assert 1 <= len(re.findall(r"reason \d+", declined)) <= 4
    assert "HTTP 201" not in refused
    assert "/facts/income_annual_cents" in refused
    assert stat.S_IMODE(home.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    for name in ("tapes", "rejects", "reports", "keys"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o700, name
    (key,) = asyncio.run(_list_keys(environ))
    assert key.expires_at is not None
    assert timedelta(days=1) <= key.expires_at - key.recorded_at <= timedelta(days=2)
    assert (home / "reports" / "lending_club_2016q1" / "report.html").stat().st_size > 10_000


async def _list_keys(environ: dict[str, str]) -> tuple[ApiKeyRow, ...]:
    async with open_record(read_settings(environ)) as record:
        return await list_keys(record)
