"""Leases: many processes reserve of one cap, some die, and the cap holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from instant_credit.errors import BrokenInvariant
from instant_credit.experiment.leases import Lease, extend, give_back, is_closed, lease_cents, reserve, reserve_all
from instant_credit.units import Cents, Ppm
from tests.budget import TIMES, examples

cents = st.integers(0, 5_000).map(Cents)


class Processes(RuleBasedStateMachine):
    """One budget in the record; each process has a lease, tops it up, gives it back or dies with it."""

    def __init__(self) -> None:
        super().__init__()
        self.cap = self.granted = self.reserved = 0
        self.leases: dict[int, Lease] = {}

    @initialize(cap=st.integers(0, 20_000))
    def found(self, cap: int) -> None:
        self.cap = cap

    @rule(process=st.integers(0, 3), wanted=cents, largest=cents, share=st.integers(0, 1_000_000))
    def approve(self, process: int, wanted: Cents, largest: Cents, share: int) -> None:
        lease = self.leases.get(process, Lease())
        lacking = Cents(max(0, wanted - lease.left_cents))
        if lacking:
            left = Cents(self.cap - self.granted)
            taken = lease_cents(left, lacking, largest, Ppm(share))
            assert (taken == 0) == (left < lacking)
            self.granted += taken
            lease = extend(lease, taken)
        after = reserve(lease, wanted)
        assert (after is None) == (wanted > lease.left_cents)
        self.reserved += 0 if after is None else wanted
        self.leases[process] = lease if after is None else after

    @rule(process=st.integers(0, 3))
    def end(self, process: int) -> None:
        lease, left = give_back(self.leases.get(process, Lease()))
        assert lease.left_cents == 0
        self.granted -= left
        self.leases.pop(process, None)

    @rule(process=st.integers(0, 3))
    def die(self, process: int) -> None:
        self.leases.pop(process, None)

    @invariant()
    def the_cap_holds(self) -> None:
        assert self.reserved <= self.granted <= self.cap

    @invariant()
    def leases_hold_what_was_granted(self) -> None:
        assert sum(lease.left_cents for lease in self.leases.values()) <= self.granted - self.reserved


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(max_examples=50 * TIMES, stateful_step_count=40, deadline=None)


@examples(50)
@given(st.integers(1, 100_000), st.integers(1, 2_000), st.integers(0, 1_000_000))
def test_one_process_uses_a_budget_up_to_less_than_one_reservation(cap: int, wanted: int, share: int) -> None:
    lease, granted = Lease(), 0
    for _ in range(cap // wanted + 2):
        lacking = Cents(max(0, wanted - lease.left_cents))
        taken = lease_cents(Cents(cap - granted), lacking, Cents(wanted), Ppm(share)) if lacking else Cents(0)
        granted += taken
        after = reserve(extend(lease, taken), Cents(wanted))
        if after is None:
            assert is_closed(lease, Cents(cap - granted), Cents(wanted))
            break
        lease = after
    assert lease.reserved_cents == cap // wanted * wanted


def test_leases_shrink_as_the_cap_comes_near() -> None:
    assert lease_cents(Cents(16_000), Cents(1), Cents(10)) == 1_000
    assert lease_cents(Cents(160), Cents(1), Cents(10)) == 10
    assert lease_cents(Cents(15), Cents(12), Cents(10)) == 12
    assert lease_cents(Cents(8), Cents(1), Cents(10)) == 8
    assert lease_cents(Cents(8), Cents(9), Cents(10)) == 0
    assert lease_cents(Cents(-5), Cents(0), Cents(10)) == 0


def test_several_budgets_are_reserved_all_or_none() -> None:
    leases = {"arm": Lease(granted_cents=Cents(100)), "day": Lease(granted_cents=Cents(30))}
    after, short = reserve_all(leases, {"arm": Cents(20), "day": Cents(30)})
    assert (after["arm"].left_cents, after["day"].left_cents, short) == (80, 0, ())
    assert reserve_all(after, {"arm": Cents(20), "day": Cents(1), "texas": Cents(1)}) == (after, ("day", "texas"))


def test_a_lowered_cap_closes_what_a_lease_cannot_cover() -> None:
    lease = Lease(granted_cents=Cents(50), reserved_cents=Cents(30))
    assert is_closed(lease, Cents(-1_000), Cents(21))
    assert not is_closed(lease, Cents(-1_000), Cents(20))
    assert not is_closed(lease, Cents(1), Cents(21))


def test_impossible_leases_are_refused() -> None:
    with pytest.raises(BrokenInvariant, match="no more than it was granted"):
        Lease(granted_cents=Cents(1), reserved_cents=Cents(2))
    with pytest.raises(BrokenInvariant, match="not below nothing"):
        reserve(Lease(), Cents(-1))
    with pytest.raises(BrokenInvariant, match="less than nothing"):
        extend(Lease(), Cents(-1))
