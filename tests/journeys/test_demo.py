"""The demo, as a newcomer runs it: nothing but a home of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from instant_credit.record.embedded import destroy_cluster


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own, its database deleted at the end."""
    yield tmp_path / "home"
    destroy_cluster(tmp_path / "home")


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
    assert (home / "reports" / "lending_club_2016q1" / "report.html").stat().st_size > 10_000
