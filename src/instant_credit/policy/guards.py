"""Guards: how often a person applied, was approved or accepted an offer before, over all products of the lender.

    History (what stood when the Case was frozen) ─► count within the window ─► hit, clear, or unknown without a history

A guard reads the Case's own history and nothing else, so a Case is judged again as it was judged first. A loan of a tape has no history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from instant_credit.application.product import Code, Name
from instant_credit.policy.verdict import Outcome

PRIORS_MAX: Final = 100
"""Of a person's earlier applications the latest ones are kept; no guard counts further."""


class Prior(Struct, frozen=True, kw_only=True, gc=False):
    """An earlier application of the person: days between its decision and the day of this one, how it was decided, whether its offer
    was accepted.
    """

    days_before: Annotated[int, Meta(ge=0)]
    outcome: Outcome
    is_accepted: bool = False


class History(Struct, frozen=True, kw_only=True):
    """The person's earlier applications, the latest first, over all products."""

    priors: Annotated[tuple[Prior, ...], Meta(max_length=PRIORS_MAX)] = ()


class Counted(StrEnum):
    """What a guard counts: all earlier applications, those with an approval or a counter-offer, or those whose offer was accepted."""

    APPLICATIONS = "applications"
    APPROVALS = "approvals"
    ACCEPTANCES = "acceptances"


class Guard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When at least `at_least` are counted within `within_days`, the outcome is at least as heavy as `outcome`, for `reason`.

    `within_days` counts back from the day of the application; 0 is that day alone.
    """

    id: Name
    counts: Counted
    within_days: Annotated[int, Meta(ge=0, le=366)]
    at_least: Annotated[int, Meta(ge=1, le=PRIORS_MAX)]
    outcome: Literal["decline", "refer"]
    reason: Code


@dataclass(frozen=True, slots=True)
class Counts:
    """What one guard found: how many, None without a history, and whether that is a hit."""

    guard: Guard
    count: int | None

    @property
    def is_hit(self) -> bool | None:
        """Whether the guard hits; None = unknown."""
        return None if self.count is None else self.count >= self.guard.at_least


def count_priors(guard: Guard, history: History | None) -> Counts:
    """What `guard` finds in `history`; None = there is none, as for a loan of a tape."""
    if history is None:
        return Counts(guard, None)
    near = [prior for prior in history.priors if prior.days_before <= guard.within_days]
    return Counts(guard, sum(_is_counted(prior, guard.counts) for prior in near))


def window_days(guards: Sequence[Guard]) -> int:
    """How many days back the guards look."""
    return max((guard.within_days for guard in guards), default=0)


def _is_counted(prior: Prior, counted: Counted) -> bool:
    if counted is Counted.ACCEPTANCES:
        return prior.is_accepted
    return counted is Counted.APPLICATIONS or prior.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER)
