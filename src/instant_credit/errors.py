"""Errors of every room, named by whose fault they are.

An applicant's mistake is a value (`Problem`), never an exception: a check finds all of them and raises none. Exceptions carry
their facts as attributes and know nothing of HTTP; `api/problems.py` maps them. No message holds personal data.
"""

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """One thing wrong with what was sent.

    Attributes
    ----------
    pointer : JSON pointer (RFC 6901) to the field, "" for the whole body.
    code : upper-case condition, for instance ``FIELD_MISSING``.
    message : what is expected, without the value that was sent.
    """

    pointer: str
    code: str
    message: str


class InstantCreditError(Exception):
    """Root of every exception this package raises on purpose."""


class NotFound(InstantCreditError):
    """The named thing does not exist."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name} not found")
        self.kind = kind
        self.name = name


class Conflict(InstantCreditError):
    """The request contradicts what is already recorded."""


class Refused(InstantCreditError):
    """A document, tape or argument is wrong; the message says which place and what to do."""


class Unavailable(InstantCreditError):
    """A dependency did not answer; the same call may succeed later."""


class Overloaded(Unavailable):
    """This process has as much under way as it takes; another one, or the same one later, may have room."""


class Late(Overloaded):
    """Whoever asks had no more time before the work began; nothing was done."""


class Busy(Unavailable):
    """Others change the same thing again and again at this moment; nothing was done."""


class Throttled(InstantCreditError):
    """A caller asked more often than it may; the same call may succeed after `wait_seconds`."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(f"asked too often: wait {wait_seconds} s")
        self.wait_seconds = wait_seconds


class BrokenInvariant(InstantCreditError):
    """This package broke its own promise: a bug."""


def require(condition: bool, message: str) -> None:
    """Raise `BrokenInvariant` with `message` unless `condition` holds; stays on in production."""
    if not condition:
        raise BrokenInvariant(message)
