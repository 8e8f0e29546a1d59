"""A login that does not work is one sentence about the variable that it comes from."""

import asyncio

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.errors import InstantCreditError, Refused, Unavailable
from instant_credit.record.connecting import connecting
from instant_credit.record.embedded import APP, Cluster
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings


def open_with(settings: Settings, url: str, owner_url: str | None = None) -> InstantCreditError:
    async def use() -> None:
        async with open_record(replace(settings, database_url=url, database_owner_url=owner_url)):
            pass

    with pytest.raises(InstantCreditError) as caught:
        asyncio.run(use())
    assert caught.value.__cause__ is None
    assert "guessed" not in str(caught.value)
    return caught.value


def wrong_password(cluster: Cluster, database: str) -> str:
    return cluster.url(APP, database).replace(cluster.passwords.app, "guessed")


def test_a_wrong_password_names_the_variable(settings: Settings, cluster: Cluster, database: str) -> None:
    told = open_with(settings, wrong_password(cluster, database))
    assert isinstance(told, Refused)
    assert str(told).startswith("the database refuses the login of DATABASE_URL: check its user and password")
    assert settings.database_url is not None
    owner = open_with(settings, settings.database_url, wrong_password(cluster, database))
    assert "the login of DATABASE_OWNER_URL" in str(owner)
    app = open_with(settings, wrong_password(cluster, database), settings.database_owner_url)
    assert "the login of DATABASE_URL" in str(app)


def test_an_unknown_database_is_named_as_such(settings: Settings, cluster: Cluster) -> None:
    told = open_with(settings, cluster.url(APP, "guessed"))
    assert isinstance(told, Refused)
    assert "the database that DATABASE_URL names does not exist" in str(told)


@pytest.mark.parametrize(
    ("url", "kind", "claim"),
    [
        ("postgresql://u:guessed@127.0.0.1:1/x", Unavailable, "no database answers at DATABASE_URL"),
        ("postgresql://u:guessed@guessed.invalid/x", Unavailable, "the host of DATABASE_URL is not known"),
        ("postgresql://u:guessed@/x?host=/guessed", Refused, "a file that DATABASE_URL names cannot be read"),
        (
            "postgresql://u:guessed@127.0.0.1:1/x?sslmode=verify-full&sslrootcert=/guessed",
            Refused,
            "check sslrootcert",
        ),
        ("postgresql://u:guessed@127.0.0.1:1/x?target_session_attrs=guessed", Refused, "check its parts"),
    ],
)
def test_what_keeps_it_from_the_database_is_said(settings: Settings, url: str, kind: type, claim: str) -> None:
    told = open_with(settings, url)
    assert isinstance(told, kind)
    assert claim in str(told)


def test_a_parameter_that_the_server_does_not_know_is_refused(
    settings: Settings, cluster: Cluster, database: str
) -> None:
    told = open_with(settings, cluster.url(APP, database) + "&guessed=1")
    assert isinstance(told, Refused)
    assert "refuses to connect as DATABASE_URL says (UndefinedObjectError 42704)" in str(told)


def test_a_server_that_starts_may_answer_later() -> None:
    with pytest.raises(Unavailable, match="takes no connections now"), connecting("DATABASE_URL"):
        raise asyncpg.CannotConnectNowError
