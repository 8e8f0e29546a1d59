import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.errors import Conflict, Refused
from instant_credit.record.embedded import destroy_cluster, use_cluster
from instant_credit.record.installation import prepare_installation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    yield path
    destroy_cluster(path)


def destroy(home, *arguments, answer=None, **environ):
    unset = dict.fromkeys(("DATABASE_URL", "DATABASE_OWNER_URL"))
    return CliRunner().invoke(
        cli,
        ["database", "destroy", *arguments],
        input=answer,
        env={**unset, "INSTANT_CREDIT_HOME": str(home), **environ},
    )


def test_the_embedded_database_is_deleted_once_nobody_uses_it_and_it_was_confirmed(home):
    with use_cluster(home):
        in_use = destroy(home, "--yes")
        assert isinstance(in_use.exception, Conflict)
        assert "in use: end what uses it first" in str(in_use.exception)
    place = prepare_installation(home).place
    for answer in ("n\n", ""):
        declined = destroy(home, answer=answer)
        assert declined.exit_code == 1
        assert str(home) in declined.output
        assert (place / "data").is_dir()
    confirmed = destroy(home, answer="y\n")
    assert confirmed.exit_code == 0, confirmed.output
    assert f"deleted: the embedded database of {home}" in confirmed.output
    assert not place.exists()
    assert destroy(home, "--yes").output == f"nothing to delete: the embedded database of {home}\n"


def test_a_home_that_was_never_used_is_left_alone(home):
    assert destroy(home, "--yes").output == f"nothing to delete: the embedded database of {home}\n"
    assert not home.exists()


def test_a_given_database_is_not_deleted(home):
    refused = destroy(home, "--yes", DATABASE_URL="postgresql://somebody:secret@somewhere/else")
    assert isinstance(refused.exception, Refused)
    assert "DATABASE_URL is set" in str(refused.exception)
    assert "secret" not in str(refused.exception)


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_make_clean_deletes_the_database_of_the_repository_and_of_no_other_home(tmp_path, home):
    repository = tmp_path / "repository"
    own = repository / "var" / "home"
    own.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", repository)
    with use_cluster(own), use_cluster(home):
        pass
    place = prepare_installation(own).place
    programs = repository / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "instant-credit").symlink_to(Path(sys.executable).with_name("instant-credit"))
    environ = {
        "INSTANT_CREDIT_HOME": str(home),
        "DATABASE_URL": "postgresql://somebody@somewhere/else",
        "DATABASE_OWNER_URL": "postgresql://owner@somewhere/else",
    }

    def clean():
        return subprocess.run(
            ["make", "clean"],
            cwd=repository,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    with use_cluster(own):
        refused = clean()
    assert refused.returncode != 0
    assert "in use" in refused.stderr
    assert programs.exists()
    cleaned = clean()
    assert cleaned.returncode == 0, cleaned.stderr
    assert not place.exists()
    assert [path.name for path in repository.iterdir()] == ["Makefile"]
    assert prepare_installation(home).data.is_dir()
    assert clean().returncode == 0
