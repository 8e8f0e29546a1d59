import asyncio
import re

import pytest
from click.testing import CliRunner, Result

from instant_credit.access.actors import Scope
from instant_credit.access.keys import Grant
from instant_credit.commands import cli
from instant_credit.errors import NotFound, Refused
from instant_credit.record.api_keys import KeyDesk
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=environ)


def verify(settings: Settings, text: str) -> Grant | None:
    async def ask() -> Grant | None:
        async with open_record(settings) as record:
            return await KeyDesk(record).verify(text)

    return asyncio.run(ask())


def test_a_created_key_works_until_it_is_revoked(settings: Settings, environ: dict[str, str]) -> None:
    created = run(environ, "key", "create", "--client", "shop", "--scope", "apply", "--scope", "decisions:read")
    assert created.exit_code == 0, created.output
    text = created.stdout.strip()
    grant = verify(settings, text)
    assert grant is not None
    assert (grant.client_id, grant.scopes) == ("shop", {Scope.APPLY, Scope.DECISIONS_READ})
    listed = run(environ, "key", "list")
    assert grant.key_id in listed.output
    assert text not in listed.output
    revoked = run(environ, "key", "revoke", grant.key_id)
    assert revoked.output == f"revoked {grant.key_id}\n"
    assert verify(settings, text) is None


def test_an_expiry_is_a_day(environ: dict[str, str]) -> None:
    options = ("key", "create", "--client", "shop", "--scope", "apply", "--expires-on")
    assert run(environ, *options, "2999-12-31").exit_code == 0
    assert "2999-12-31" in re.sub(r"\s+", " ", run(environ | {"COLUMNS": "200"}, "key", "list").output)
    assert isinstance(run(environ, *options, "2000-01-01").exception, Refused)
    assert run(environ, *options, "soon").exit_code == 2


def test_an_expiry_is_a_second(environ: dict[str, str]) -> None:
    options = ("key", "create", "--client", "shop", "--scope", "apply", "--expires-at")
    assert run(environ, *options, "2999-12-31T18:30:07Z").exit_code == 0
    assert "2999-12-31 18:30:07" in run(environ, "key", "list").output
    assert run(environ, *options, "2999-12-31T18:30:07").exit_code == 2
    assert run(environ, *options, "2999-12-31T18:30:07Z", "--expires-on", "2999-12-31").exit_code == 2


def test_a_rotated_key_has_a_successor_of_its_mode(settings: Settings, environ: dict[str, str]) -> None:
    former = run(environ, "key", "create", "--client", "shop", "--scope", "apply", "--test").stdout.strip()
    rotated = run(environ, "key", "rotate", former.split("_")[1], "--overlap", "30m")
    assert rotated.exit_code == 0, rotated.output
    grant = verify(settings, rotated.stdout.strip())
    assert grant is not None
    assert (grant.client_id, grant.scopes, grant.is_test) == ("shop", {Scope.APPLY}, True)
    assert verify(settings, former) is not None
    listed = run(environ, "key", "list").output
    assert listed.count(grant.key_id) == 2
    assert listed.count("test") == 2


def test_a_rotation_without_an_overlap_ends_the_former_key_at_once(settings: Settings, environ: dict[str, str]) -> None:
    former = run(environ, "key", "create", "--client", "shop", "--scope", "apply").stdout.strip()
    rotated = run(environ, "key", "rotate", former.split("_")[1], "--overlap", "0s")
    assert rotated.exit_code == 0, rotated.output
    assert verify(settings, former) is None
    assert verify(settings, rotated.stdout.strip()) is not None


@pytest.mark.parametrize("overlap", ["24", "-1h", "1.5h", "1w", "h", "\N{ARABIC-INDIC DIGIT ONE}h", "99999999h"])
def test_an_overlap_is_a_whole_number_with_its_unit(environ: dict[str, str], overlap: str) -> None:
    assert run(environ, "key", "rotate", "a" * 16, f"--overlap={overlap}").exit_code == 2


def test_revoking_an_unknown_key_says_so(environ: dict[str, str]) -> None:
    assert isinstance(run(environ, "key", "revoke", "a" * 16).exception, NotFound)


@pytest.mark.parametrize(
    "arguments", [("key", "create"), ("key", "create", "--client", "x"), ("key", "create", "--scope", "all")]
)
def test_a_key_needs_a_client_and_known_scopes(environ: dict[str, str], arguments: tuple[str, ...]) -> None:
    assert run(environ, *arguments).exit_code == 2


def test_migrating_a_current_schema_says_so(environ: dict[str, str]) -> None:
    assert run(environ, "migrate").output == "nothing to apply: the schema is current\n"
