"""Edge. Purses: what this process took of each budget ahead, so that holding money of it waits for the record only now and then.

    wanted cents ─► purse has them: held at once ─┬─► settled by what was used; the rest is in the purse again
                 └─► purse is short: a lease ─────┴─► none left of the budget: refused

The law: cents leave a purse before anything is committed that reserves them, and come back only when it is certain that it was not; so what
commits reserve is never more than what was leased, and that never more than the cap. A purse that runs low takes its next lease beside the
applications; one that lies idle gives back what it has, and so does every one at the end.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from contextvars import Context
from typing import Final
from uuid import UUID

from msgspec import Struct

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.errors import Unavailable, require
from instant_credit.experiment.leases import Lease, extend, give_back, reserve_all
from instant_credit.record.budgets import return_lease, take_lease
from instant_credit.record.pool import Record
from instant_credit.units import Cents

ACTOR: Final = Actor(kind=ActorKind.JOB, id="budgets")
IDLE_NS: Final = 300_000_000_000
"""A purse that nobody asked for so long gives back what it has."""
SHORT_NS: Final = 5_000_000_000
"""A budget that had too little left is asked again after so long: something may have come back."""
_ID_BYTES: Final = 16


class Want(Struct, frozen=True, kw_only=True):
    """Cents wanted of a budget, and what may be out of that at most."""

    cents: Cents
    cap_cents: Cents


class Hold(Struct, frozen=True, kw_only=True):
    """Cents by key of budget that are held for one application until they are settled."""

    cents: Mapping[str, Cents]


class _Purse(Struct, kw_only=True, eq=False):
    """Of one budget. `left_cents` is what the record had left when it was last asked, which holds until `short_until_ns`."""

    cap_cents: Cents
    lease: Lease = Lease()
    held_cents: Cents = Cents(0)
    largest_cents: Cents = Cents(0)
    low_cents: Cents = Cents(0)
    left_cents: Cents = Cents(0)
    short_until_ns: int = 0
    used_at_ns: int = 0
    taking: "asyncio.Task[None] | None" = None


class Purses:
    """The purses of a process.

    Parameters
    ----------
    record : keeps what is leased; its clock says what is idle.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._holder_id = UUID(bytes=record.entropy(_ID_BYTES), version=4)
        self._purses: dict[str, _Purse] = {}

    async def hold(self, wants: Mapping[str, Want]) -> Hold | tuple[str, ...]:
        """Hold cents of several budgets, of all or of none.

        Returns
        -------
        The hold, to be settled; or the keys, sorted, of the budgets that have too little left.

        Raises
        ------
        Unavailable : the record did not answer; nothing is held.
        """
        cents = {key: want.cents for key, want in wants.items()}
        while True:
            purses = {key: self._find(key, want) for key, want in wants.items()}
            after, short = reserve_all({key: purse.lease for key, purse in purses.items()}, cents)
            if not short:
                self._keep(purses, after, cents)
                return Hold(cents=cents)
            hopeless = tuple(key for key in short if self._is_short(purses[key], cents[key]))
            if hopeless:
                return hopeless
            await asyncio.gather(*(self._wait_for_lease(key, purses[key], cents[key]) for key in short))

    def settle(self, hold: Hold, used: Mapping[str, Cents] | None = None) -> None:
        """End a hold.

        Parameters
        ----------
        used : cents by key that a commit reserved, or may have: those are gone; None = all that was held. What is left comes back.
        """
        for key, cents in hold.cents.items():
            purse = self._purses[key]
            spent = cents if used is None else used.get(key, Cents(0))
            require(0 <= spent <= cents, "no more of a hold is used than was held")
            purse.held_cents = Cents(purse.held_cents - cents)
            purse.lease = Lease(
                granted_cents=purse.lease.granted_cents,
                reserved_cents=Cents(purse.lease.reserved_cents - cents + spent),
            )

    async def tidy(self) -> None:
        """Give back what idle purses have, and forget those.

        Raises
        ------
        Unavailable : the record did not answer; what was being given back counts as leased for good.
        """
        before_ns = self._record.clock.monotonic_ns() - IDLE_NS
        await self._give_back([key for key, purse in self._purses.items() if purse.used_at_ns < before_ns])

    async def close(self) -> None:
        """Give back everything that is not held or used; purses that are asked for afterwards begin anew.

        What the record does not take back counts as leased for good.
        """
        taking = {purse.taking for purse in self._purses.values() if purse.taking is not None}
        if taking:
            await asyncio.wait(taking)
        with suppress(Unavailable):
            await self._give_back(list(self._purses))

    def _find(self, key: str, want: Want) -> _Purse:
        purse = self._purses.get(key)
        if purse is None:
            purse = self._purses[key] = _Purse(cap_cents=want.cap_cents)
        purse.cap_cents = want.cap_cents
        purse.used_at_ns = self._record.clock.monotonic_ns()
        purse.largest_cents = max(purse.largest_cents, want.cents)
        return purse

    def _keep(self, purses: Mapping[str, _Purse], after: Mapping[str, Lease], cents: Mapping[str, Cents]) -> None:
        """Take the leases as they are after a reservation, and have low purses filled."""
        for key, purse in purses.items():
            purse.lease = after[key]
            purse.held_cents = Cents(purse.held_cents + cents[key])
            if purse.lease.left_cents < purse.low_cents and not self._is_short(purse, purse.largest_cents):
                self._start_taking(key, purse, purse.largest_cents)

    def _is_short(self, purse: _Purse, cents: Cents) -> bool:
        """Whether the record said a moment ago that so much is not left of the budget, even with what the purse has."""
        is_known = self._record.clock.monotonic_ns() < purse.short_until_ns
        return is_known and purse.lease.left_cents + purse.left_cents < cents

    async def _wait_for_lease(self, key: str, purse: _Purse, cents: Cents) -> None:
        """Return when a lease was taken, or was not to be had. One is taken at a time; whoever waits looks again afterwards."""
        if purse.taking is None:
            self._start_taking(key, purse, Cents(cents - purse.lease.left_cents))
        assert purse.taking is not None
        await asyncio.shield(purse.taking)

    def _start_taking(self, key: str, purse: _Purse, needed: Cents) -> None:
        if purse.taking is None:
            # It takes for others too: the patience of the one who starts it does not bound it.
            purse.taking = asyncio.create_task(self._take(key, purse, needed), context=Context())
            purse.taking.add_done_callback(_look_at)

    async def _take(self, key: str, purse: _Purse, needed: Cents) -> None:
        try:
            granted = await take_lease(
                self._record,
                key,
                purse.cap_cents,
                needed_cents=needed,
                largest_cents=purse.largest_cents,
                holder_id=self._holder_id,
                actor=ACTOR,
            )
            purse.lease = extend(purse.lease, granted.cents)
            purse.low_cents = Cents(granted.cents // 2)
            if granted.cents == 0:
                purse.left_cents = granted.left_cents
                purse.short_until_ns = self._record.clock.monotonic_ns() + SHORT_NS
            else:
                purse.short_until_ns = 0
        finally:
            purse.taking = None

    async def _give_back(self, keys: list[str]) -> None:
        """A purse that holds nothing and takes nothing leaves the process before the record is told, so that nothing comes back twice."""
        for key in keys:
            purse = self._purses[key]
            if purse.held_cents or purse.taking is not None:
                continue
            del self._purses[key]
            _, left = give_back(purse.lease)
            if left:
                await return_lease(self._record, key, purse.cap_cents, left, holder_id=self._holder_id, actor=ACTOR)


def _look_at(taking: "asyncio.Task[None]") -> None:
    """A lease that nobody waited for is asked for again by the next one who needs it, who then hears of the trouble."""
    if not taking.cancelled():
        taking.exception()
