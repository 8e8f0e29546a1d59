"""What whoever tells outcomes is told back."""

from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

LINES_MAX: Final = 10_000
"""Events in one request."""


class TakenLine(Struct, frozen=True, kw_only=True):
    """A line that went into quarantine, and why. `line` counts from 1."""

    line: Annotated[int, Meta(ge=1)]
    quarantine_id: UUID
    code: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=600)]


class OutcomesTaken(Struct, frozen=True, kw_only=True):
    """What became of the lines that were sent: every one of them is counted once.

    Attributes
    ----------
    recorded : lines whose events were recorded now.
    recorded_before : lines whose events stand already, word for word.
    quarantined : lines that were not taken, each with its reason.
    """

    schema_version: int = 1
    recorded: Annotated[int, Meta(ge=0)] = 0
    recorded_before: Annotated[int, Meta(ge=0)] = 0
    quarantined: Annotated[tuple[TakenLine, ...], Meta(max_length=LINES_MAX)] = ()

    def __add__(self, other: "OutcomesTaken") -> "OutcomesTaken":
        return OutcomesTaken(
            recorded=self.recorded + other.recorded,
            recorded_before=self.recorded_before + other.recorded_before,
            quarantined=self.quarantined + other.quarantined,
        )
