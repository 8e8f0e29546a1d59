"""The installed wheel: without the repository around it, it migrates and serves."""

import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from instant_credit.record.embedded import destroy_cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the unpacked wheel and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def environ(installed: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The unpacked wheel goes before the editable install on the path."""
    home = tmp_path / "home"
    yield {
        **os.environ,
        "PYTHONPATH": str(installed),
        "INSTANT_CREDIT_HOME": str(home),
        "DATABASE_URL": "",
        "DATABASE_OWNER_URL": "",
    }
    destroy_cluster(home)


@pytest.mark.long
def test_the_wheel_migrates_and_serves(installed: Path, environ: dict[str, str], tmp_path: Path) -> None:
    where = "import instant_credit; print(instant_credit.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith(str(installed))
    command = [sys.executable, "-m", "instant_credit.commands"]
    migrated, again = (
        subprocess.run([*command, "migrate"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    names = sorted(path.stem for path in (ROOT / "migrations").glob("*.sql"))
    assert migrated.stdout.splitlines() == [f"applied {name}" for name in names]
    assert again.stdout == "nothing to apply: the schema is current\n"
    server = subprocess.Popen(
        [*command, "serve", "--port", "0"], env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    address = next(m[1] for line in server.stdout if (m := re.search(r"Serving (http://\S+)", line)))
    assert httpx.get(f"{address}/health/live").status_code == 200
    assert httpx.get(f"{address}/openapi.json").json()["openapi"].startswith("3.1")
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    server.stdout.close()
