"""Leases: money of one budget, reserved by many processes at once, that never exceeds its cap. Pure.

Every process takes cents ahead from the budget in the record and reserves from what it took, so that an approval waits for the record only
when its lease runs out. The record adds what is taken to `granted`, in one statement, and never beyond the cap.

    sum of reserved  <=  sum of granted  <=  cap              whatever the order of the processes, and whichever of them dies

What a process leaves unused comes back when it ends in order; what a killed one held stays granted, so a crash makes a budget smaller, never
larger. A share of what is left is taken each time, so leases shrink as the cap comes near and little is stranded in idle processes: a budget
that is used up holds back at most what the last leases left.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from instant_credit.errors import require
from instant_credit.units import PPM, Cents, Ppm

LEASE_SHARE: Final = Ppm(62_500)
"""The part of what is left that a process takes ahead: a sixteenth."""


class Lease(Struct, frozen=True, kw_only=True):
    """What one process took ahead of one budget, and what it reserved of that."""

    granted_cents: Cents = Cents(0)
    reserved_cents: Cents = Cents(0)

    def __post_init__(self) -> None:
        """No more is reserved than was granted."""
        require(0 <= self.reserved_cents <= self.granted_cents, "a lease reserves no more than it was granted")

    @property
    def left_cents(self) -> Cents:
        """What may still be reserved without asking."""
        return Cents(self.granted_cents - self.reserved_cents)


def lease_cents(left_cents: Cents, needed_cents: Cents, largest_cents: Cents, share: Ppm = LEASE_SHARE) -> Cents:
    """How much a process takes of a budget, ahead of what it needs now.

    Parameters
    ----------
    left_cents : cap minus everything granted; below 0 where a cap was lowered.
    needed_cents : what the reservation at hand lacks.
    largest_cents : the largest single reservation that may come.
    share : part of what is left that is taken ahead.

    Returns
    -------
    At least `needed_cents` and at most `left_cents`; 0 where the need does not fit: the budget is closed to this reservation.
    """
    if left_cents < needed_cents or left_cents <= 0:
        return Cents(0)
    ahead = -(-left_cents * share // PPM)
    return Cents(min(left_cents, max(ahead, needed_cents, largest_cents)))


def extend(lease: Lease, taken_cents: Cents) -> Lease:
    """The lease with what the record granted beside."""
    require(taken_cents >= 0, "a lease is not extended by less than nothing")
    return Lease(granted_cents=Cents(lease.granted_cents + taken_cents), reserved_cents=lease.reserved_cents)


def reserve(lease: Lease, cents: Cents) -> Lease | None:
    """The lease after a reservation; None where it does not fit."""
    require(cents >= 0, "a reservation is not below nothing")
    if cents > lease.left_cents:
        return None
    return Lease(granted_cents=lease.granted_cents, reserved_cents=Cents(lease.reserved_cents + cents))


def reserve_all(leases: Mapping[str, Lease], wanted: Mapping[str, Cents]) -> tuple[dict[str, Lease], tuple[str, ...]]:
    """Reserve of several budgets at once (an arm's and the portfolio's), all or none.

    Parameters
    ----------
    leases : by name of the budget; one without a lease has nothing.
    wanted : cents by name of the budget.

    Returns
    -------
    The leases afterwards and no names; or the leases as they were, and the names of those that are short, sorted.
    """
    after = {name: reserve(leases.get(name, Lease()), cents) for name, cents in wanted.items()}
    short = tuple(sorted(name for name, lease in after.items() if lease is None))
    if short:
        return dict(leases), short
    return {**leases, **{name: lease for name, lease in after.items() if lease is not None}}, ()


def give_back(lease: Lease) -> tuple[Lease, Cents]:
    """The lease without what it left, and those cents, which the record takes off what is granted."""
    return Lease(granted_cents=lease.reserved_cents, reserved_cents=lease.reserved_cents), lease.left_cents


def is_closed(lease: Lease, left_cents: Cents, largest_cents: Cents) -> bool:
    """Whether the largest reservation that may come fits neither into the lease nor into it and what is left of the budget."""
    return lease.left_cents + max(0, left_cents) < largest_cents
