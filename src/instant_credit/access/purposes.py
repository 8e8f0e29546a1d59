"""Why somebody sees, holds back or destroys what is recorded of a person. Codes, never a text: a reason names nobody."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from instant_credit.access.actors import Actor


class ReadPurpose(StrEnum):
    """What data of one person are read for. `SERVICE`: a client reads the applications that it made itself."""

    REVIEW = "review"
    AUDIT = "audit"
    COMPLAINT = "complaint"
    LEGAL = "legal"
    PERSON_REQUEST = "person_request"
    SUPPORT = "support"
    SERVICE = "service"


TOLD_PURPOSES: Final = tuple(purpose for purpose in ReadPurpose if purpose is not ReadPurpose.SERVICE)
"""What whoever may read everybody's data can say to read them for."""


class BookPurpose(StrEnum):
    """What a whole book is taken for."""

    ANALYSIS = "analysis"
    AUDIT = "audit"
    LEGAL = "legal"
    MIGRATION = "migration"


class HoldReason(StrEnum):
    """What a person's data are held back from erasure for. Source: 12 CFR 1002.12(b)(4) of the first three."""

    LITIGATION = "LITIGATION"
    INVESTIGATION = "INVESTIGATION"
    ENFORCEMENT = "ENFORCEMENT"
    COMPLAINT = "COMPLAINT"
    AUDIT = "AUDIT"


class ReleaseReason(StrEnum):
    """Why a hold ends."""

    MATTER_CLOSED = "MATTER_CLOSED"
    HELD_IN_ERROR = "HELD_IN_ERROR"


class ErasureReason(StrEnum):
    """Why a person is erased."""

    PERSON_REQUEST = "PERSON_REQUEST"
    RETENTION_ENDED = "RETENTION_ENDED"


class Reading(Struct, frozen=True, kw_only=True):
    """Who reads data of persons, and for what."""

    actor: Actor
    purpose: ReadPurpose
