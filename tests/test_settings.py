from pathlib import Path

import pytest

from instant_credit.access.limits import Allowance, VariantLimit
from instant_credit.errors import Refused
from instant_credit.settings import read_settings


def test_an_empty_environment_makes_a_laptop_work() -> None:
    settings = read_settings({})
    assert settings.home == Path.home() / ".local/share/instant-credit"
    assert settings.key_ring == settings.home / "keys" / "ring.json"
    assert settings.database_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8420)


def test_empty_variables_count_as_not_set() -> None:
    names = ["HOME", "KEY_RING", "HOST", "PORT", "DATABASE_CONNECTIONS"]
    names += ["CLIENT_RATE", "CLIENT_BURST", "VARIANTS", "VARIANT_HOURS"]
    empty = {f"INSTANT_CREDIT_{name}": "" for name in names} | {"DATABASE_URL": "", "DATABASE_OWNER_URL": ""}
    assert read_settings(empty) == read_settings({})


def test_every_variable_is_read() -> None:
    settings = read_settings(
        {
            "INSTANT_CREDIT_HOME": "/srv/credit",
            "INSTANT_CREDIT_KEY_RING": "/etc/credit/ring.json",
            "INSTANT_CREDIT_HOST": "0.0.0.0",  # noqa: S104 only read, never bound
            "INSTANT_CREDIT_PORT": "9000",
            "INSTANT_CREDIT_DATABASE_CONNECTIONS": "3",
            "DATABASE_URL": "postgresql://app@db/credit",
            "DATABASE_OWNER_URL": "postgres://owner@db/credit",
        }
    )
    assert settings.home == Path("/srv/credit")
    assert settings.key_ring == Path("/etc/credit/ring.json")
    assert (settings.host, settings.port, settings.database_connections) == ("0.0.0.0", 9000, 3)  # noqa: S104 only read, never bound
    assert settings.database_url == "postgresql://app@db/credit"
    assert settings.database_owner_url == "postgres://owner@db/credit"


@pytest.mark.parametrize("port", ["-1", "65536", "x", "1.5", "1_0", "\u0661", "9" * 5_000])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(Refused, match="INSTANT_CREDIT_PORT must be a whole number"):
        read_settings({"INSTANT_CREDIT_PORT": port})


def test_a_refusal_never_shows_a_login() -> None:
    with pytest.raises(Refused) as caught:
        read_settings({"DATABASE_URL": "mysql://user:secret@db"})
    assert "secret" not in str(caught.value)


def test_an_owner_login_without_a_database_is_refused() -> None:
    with pytest.raises(Refused, match="DATABASE_OWNER_URL is set without DATABASE_URL"):
        read_settings({"DATABASE_OWNER_URL": "postgresql://owner@db/credit"})


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_OWNER_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cr/et@127.0.0.1:1/x",
        "postgresql://u:123/s3cr@127.0.0.1:1/x",
        "postgresql://u:s3cr?et@127.0.0.1:1/x",
        "postgresql://u:123?s3cr=@127.0.0.1:1/x",
        "postgresql://u:s3cr#et@127.0.0.1:1/x",
        "postgresql://u:123#s3cr@127.0.0.1:1/x",
        "postgresql://u:s3cr@[::1/x",
        "postgresql://u:s3cr@h:notaport/x",
        "postgresql://u:s3cr@h:99999/x",
        "postgresql://u:s3cr@h:1,i:0/x",
        "postgresql://u:s3cr@h/x?sslmode=bogus",
        "postgresql://u:s3cr@/x?host=/tmp&port=abc",
        "postgresql://u:s3cr@h/x?s3cr",
    ],
)
def test_a_url_that_is_none_is_refused_by_its_name_alone(name: str, url: str) -> None:
    with pytest.raises(Refused) as caught:
        read_settings({"DATABASE_URL": "postgresql://app@db/credit", name: url})
    assert str(caught.value) == f"{name} is not a valid URL (percent-encode special characters in the password)"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql://u:s3cr%2Fet@127.0.0.1:1/x",
        "postgresql://u:p@ss@[::1]:5432/x?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://u@h:1,i:2/x?target_session_attrs=read-write",
        "postgresql://u:p@/x?host=%2Ftmp%2Fa:b&port=5432",
        "postgresql://u@/x?host=/var/run/postgresql",
        "postgresql://u@h:/x",
    ],
)
def test_a_url_that_libpq_reads_is_taken(url: str) -> None:
    assert read_settings({"DATABASE_URL": url}).database_url == url


def test_limits_of_clients_are_read_and_can_be_lifted() -> None:
    limited = {"CLIENT_RATE": "7", "CLIENT_BURST": "9", "VARIANTS": "3", "VARIANT_HOURS": "48"}
    settings = read_settings({f"INSTANT_CREDIT_{name}": value for name, value in limited.items()})
    assert settings.allowance == Allowance(rate=7, burst=9)
    assert settings.variant_limit == VariantLimit(variants=3, hours=48)
    lifted = read_settings({"INSTANT_CREDIT_CLIENT_RATE": "0", "INSTANT_CREDIT_VARIANTS": "0"})
    assert (lifted.allowance, lifted.variant_limit) == (None, None)
    assert read_settings({}).allowance is not None
    assert read_settings({}).variant_limit is not None


@pytest.mark.parametrize("name", ["CLIENT_BURST", "VARIANT_HOURS"])
def test_a_limit_that_lets_nothing_in_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=f"INSTANT_CREDIT_{name}"):
        read_settings({f"INSTANT_CREDIT_{name}": "0"})
