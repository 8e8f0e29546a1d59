"""The program as a shell sees it: one line on stderr, a status, and nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from instant_credit.commands import EXTRAS, TERMINATED
from instant_credit.record.embedded import destroy_cluster, use_cluster
from instant_credit.record.installation import prepare_installation
from tests.commands.documents import MAPPING
from tests.lending import wait_until

ROOT = Path(__file__).parents[2]
ROWS = 100_000


def start(*arguments: str, before: str = "", **environ: str) -> subprocess.Popen[str]:
    """The program in a process of its own, `before` run in it first."""
    unset = {"DATABASE_URL": "", "DATABASE_OWNER_URL": "", "INSTANT_CREDIT_KEY_RING": ""}
    code = f"import signal, sys\n{before}\nfrom instant_credit.commands import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **unset, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fails(*arguments: str, before: str = "", **environ: str) -> str:
    """Its one line on stderr."""
    with start(*arguments, before=before, **environ) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, ""), err
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        (("train", "--help"), "catboost", "training"),
        (("train", "--help"), "jinja2", "training"),
        (("tape", "import", "x.parquet", "--mapping", "lending_club_2016q1"), "pyarrow", "training"),
    ],
)
def test_a_command_whose_extra_is_not_installed_names_it(
    arguments: tuple[str, ...], module: str, extra: str, tmp_path: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    before = f"import os; os.chdir({str(tmp_path)!r}); sys.modules[{module!r}] = None"
    line = fails(*arguments, before=before, **environ)
    assert line == f"this command needs the extra {extra}: pip install 'instant-credit[{extra}]'"


def test_every_library_of_an_extra_is_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    offered = project["optional-dependencies"]
    brought = {Requirement(text).name: extra for extra in set(EXTRAS.values()) for text in offered[extra]}
    names_of = packages_distributions()
    known = {}
    for module, extra in EXTRAS.items():
        # Several packages may lie in one module; those that nobody asked for come with one that was asked for.
        names = {canonicalize_name(name) for name in names_of[module]}
        known |= dict.fromkeys(names & set(brought) or names, extra)
    assert known == brought


def test_a_module_that_no_extra_brings_is_a_bug() -> None:
    with start(
        "schemas", "--help", before="sys.modules['msgspec.toml'] = sys.modules['click.types'] = None"
    ) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ModuleNotFoundError" in err


@pytest.mark.parametrize("is_loaded", [False, True])
def test_serve_starts_without_scipy_and_leaves_it_to_others(is_loaded: bool) -> None:
    before = "import scipy.linalg" if is_loaded else "pass"
    after = "print('scipy' in sys.modules, 'scipy.linalg' in sys.modules); import scipy.linalg"
    script = f"import sys; {before}; from instant_credit.commands import cli; cli.get_command(None, 'serve'); {after}"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.split() == [str(is_loaded), str(is_loaded)]


@pytest.mark.parametrize("kind", ["a file", "below a file", "/proc"])
def test_a_home_that_cannot_be_made_is_named(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "home", "/proc": Path("/proc/x")}[kind]
    line = fails("key", "list", INSTANT_CREDIT_HOME=str(home))
    assert line.startswith(f"{home}: ")
    assert "check INSTANT_CREDIT_HOME" in line


@pytest.mark.parametrize("ring", ["/proc/nope/ring", "folder"])
def test_a_key_ring_that_cannot_be_used_is_named(ring: str, tmp_path: Path, environ: dict[str, str]) -> None:
    path = tmp_path if ring == "folder" else Path(ring)
    line = fails("key", "list", **environ | {"INSTANT_CREDIT_KEY_RING": str(path)})
    assert line.startswith(str(path.parent if ring != "folder" else path))
    assert "INSTANT_CREDIT_KEY_RING" in line


@pytest.mark.parametrize("character", ['"', "$", ",", "\\", "`", "\n"])
def test_a_home_that_postgres_cannot_take_is_refused_and_not_made(character: str, tmp_path: Path) -> None:
    line = fails("key", "list", INSTANT_CREDIT_HOME=str(tmp_path / f"a{character}b"))
    assert "let INSTANT_CREDIT_HOME name another one" in line
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_and_a_host_that_is_none_are_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = fails("serve", "--port", port, INSTANT_CREDIT_HOME=str(tmp_path))
        assert line.startswith(f"cannot listen on 127.0.0.1 port {port}: Address already in use; choose others")
    for host in ("nosuch.invalid", "a..b", "256.1.1.1"):
        line = fails("serve", "--host", host, INSTANT_CREDIT_HOME=str(tmp_path))
        assert line.startswith(f"cannot listen on {host} port 8420")
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_machine_that_nobody_expected_is_one_line() -> None:
    before = "import click; click.Group.main = lambda *_: open('/nope/file')"
    assert fails("warm", before=before) == "/nope/file: No such file or directory"


@pytest.fixture(scope="module")
def home_in_use(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose database was made before."""
    home = tmp_path_factory.mktemp("in_use") / "home"
    with use_cluster(home):
        pass
    yield home
    destroy_cluster(home)


def end_by_sigterm(home: Path, folder: Path, is_time: Callable[[], object], before: str = "") -> None:
    """End an import once it is time: nothing is told but the status, no draft is left and the database does not run."""
    tape, mapping = folder / "tape.csv", folder / "tiny.toml"
    tape.write_text("funded_amnt,term,annual_inc,Class\n" + "5000,36,40000,good\n" * ROWS)
    mapping.write_text(MAPPING)

    with start(
        "tape", "import", str(tape), "--mapping", str(mapping), before=before, INSTANT_CREDIT_HOME=str(home)
    ) as process:
        wait_until(lambda: process.poll() is not None or is_time())
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == TERMINATED == 143, err
    assert "Traceback" not in err
    assert not list_drafts(home)
    assert not (prepare_installation(home).data / "postmaster.pid").exists()


def list_drafts(home: Path) -> list[Path]:
    return list((home / "rejects").glob("*.part"))


def test_sigterm_ends_an_import_well_while_its_database_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    try:
        end_by_sigterm(home, tmp_path, (home / "postgres" / "gate.lock").exists)
    finally:
        destroy_cluster(home)


@pytest.mark.parametrize("before", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN)"], ids=["shell", "background"])
@pytest.mark.long
def test_sigterm_ends_an_import_well(before: str, home_in_use: Path, tmp_path: Path) -> None:
    end_by_sigterm(home_in_use, tmp_path, lambda: list_drafts(home_in_use), before)
