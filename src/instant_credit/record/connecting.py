"""Edge. Connecting: what keeps a login from working, told in one sentence that names where the login comes from.

Neither the URL nor the database's own text is shown: both may hold a password.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from socket import gaierror
from typing import Final

import asyncpg

from instant_credit.errors import Refused, Unavailable

# A server that starts, stops or has no room left lets the same login in later.
_LATER: Final = (
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresConnectionError,
)


@contextmanager
def connecting(source: str) -> Iterator[None]:
    """Turn what goes wrong while a connection is made into one sentence.

    Parameters
    ----------
    source : where the login comes from, for instance ``"DATABASE_URL"``.

    Raises
    ------
    Refused : the same login would fail again.
    Unavailable : the database may answer later.
    """
    try:
        yield
    except asyncpg.PostgresError as refusal:
        raise _explain_refusal(source, refusal) from None
    except (asyncpg.InterfaceError, ValueError, OverflowError):
        raise Refused(f"{source} is not a login that can be used: check its parts and parameters") from None
    except (OSError, asyncpg.InternalClientError) as trouble:
        raise _explain_trouble(source, trouble) from None


def _explain_refusal(source: str, refusal: asyncpg.PostgresError) -> Exception:
    if isinstance(refusal, asyncpg.InvalidAuthorizationSpecificationError):
        return Refused(
            f"the database refuses the login of {source}: check its user and password, and the server's pg_hba.conf"
        )
    if isinstance(refusal, asyncpg.InvalidCatalogNameError):
        return Refused(f"the database that {source} names does not exist: create it, or correct the name")
    if isinstance(refusal, _LATER):
        return Unavailable(f"the database of {source} takes no connections now ({type(refusal).__name__}): try again")
    return Refused(
        f"the database refuses to connect as {source} says ({type(refusal).__name__} {refusal.sqlstate}): "
        "check its parameters, and that the login may connect and is a member of instant_credit_app"
    )


def _explain_trouble(source: str, trouble: Exception) -> Exception:
    if isinstance(trouble, gaierror):
        return Unavailable(f"the host of {source} is not known: check its spelling and the name service")
    if isinstance(trouble, ssl.SSLError):
        return Refused(f"no TLS with the database of {source}: check sslmode, sslrootcert and the server's certificate")
    if isinstance(trouble, FileNotFoundError | NotADirectoryError | PermissionError):
        return Refused(
            f"a file that {source} names cannot be read: check sslrootcert, sslcert and sslkey, "
            "or the socket's folder and port and that the server runs"
        )
    return Unavailable(
        f"no database answers at {source} ({type(trouble).__name__}): check host and port, and that the server runs"
    )
