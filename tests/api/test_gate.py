"""The gate by itself: what it lets in, and how it learns how much that may be."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from instant_credit.api.gate import AT_ONCE, LEAST, MOST, READING_MAX, TARGET_NS, WINDOW_NS, Cause, Gate

NS = 1_000_000_000


def unhurried() -> None:
    return None


def within(limit_ns: int) -> Callable[[], int]:
    return lambda: limit_ns


def begin(gate: Gate) -> None:
    gate.begin(lambda: None, lambda _: None)


def fill(gate: Gate, count: int) -> None:
    for _ in range(count):
        assert gate.find_refusal(unhurried) is None
        begin(gate)


def serve_for(gate: Gate, service_ns: int, windows: int, now_ns: int = 0) -> int:
    """Keep the gate full while one request after another ends; when that is over."""
    until_ns = now_ns + windows * max(WINDOW_NS, service_ns)
    while now_ns < until_ns:
        while gate.find_refusal(unhurried) is None:
            begin(gate)
        now_ns += service_ns
        gate.end(now_ns)
    return now_ns


def test_the_newest_is_turned_away_when_all_places_are_taken() -> None:
    causes: list[Cause] = []
    gate = Gate(turned_away=causes.append)
    fill(gate, MOST)
    assert gate.find_refusal(unhurried) is Cause.FULL
    assert causes == [Cause.FULL]
    gate.end(1)
    assert gate.find_refusal(unhurried) is None


@pytest.mark.parametrize("service_ns", [500_000, 1_000_000, 30_000_000, 100_000_000, 3 * NS])
def test_no_more_are_taken_on_than_can_be_answered_in_time(service_ns: int) -> None:
    places: list[int] = []
    gate = Gate(resized=places.append)
    serve_for(gate, service_ns, windows=40)
    assert gate.places == max(LEAST, min(MOST, TARGET_NS // service_ns))
    assert places[0] == MOST
    assert places[-1] == gate.places


def test_places_come_back_when_work_gets_cheap_again() -> None:
    gate = Gate()
    now_ns = serve_for(gate, NS // 2, windows=40)
    assert gate.places == LEAST
    serve_for(gate, 1_000_000, windows=40, now_ns=now_ns)
    assert gate.places == MOST


def test_costs_are_not_measured_while_most_places_are_free() -> None:
    gate = Gate()
    for number in range(1_000):
        begin(gate)
        gate.end((number + 1) * NS)
    assert gate.places == MOST
    assert gate.expected_ns == 0


def test_who_waits_less_long_than_those_ahead_take_is_turned_away() -> None:
    gate = Gate()
    now_ns = serve_for(gate, 1_000_000, windows=5)
    while gate.under_way > 50:
        gate.end(now_ns)
    assert gate.find_refusal(within(49_000_000)) is Cause.LATE
    assert gate.find_refusal(within(51_000_000)) is None
    assert gate.find_refusal(unhurried) is None


def test_an_idle_gate_asks_nobody_how_long_they_wait() -> None:
    def fail() -> int:
        raise AssertionError

    assert Gate().find_refusal(fail) is None


def test_slow_senders_take_no_places_and_are_bounded_by_themselves() -> None:
    gate = Gate()
    for _ in range(READING_MAX):
        assert gate.find_refusal(unhurried) is None
        begin(gate)
        gate.begin_reading()
    assert gate.under_way == 0
    assert gate.find_refusal(unhurried) is Cause.FULL
    gate.end_reading()
    assert gate.find_refusal(unhurried) is None


def test_those_taken_on_are_begun_a_few_at_a_time_in_their_order() -> None:
    gate = Gate()
    turns: list[Callable[[], None]] = []
    begun: list[int] = []
    for number in range(3 * AT_ONCE + 1):
        gate.begin(partial(begun.append, number), turns.append)
        assert len(begun) == min(number + 1, AT_ONCE)
    for turn in range(2, 5):
        assert len(turns) == 1
        turns.pop()()
        assert begun == list(range(min(turn * AT_ONCE, 3 * AT_ONCE + 1)))
    turns.pop()()
    assert not turns
    gate.begin(lambda: begun.append(-1), turns.append)
    assert begun[-1] == -1


class Gates(RuleBasedStateMachine):
    """Requests come, send their bodies and end, in any order and at any pace."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()
        self.now_ns = 0
        self.working = 0
        self.reading = 0

    @rule()
    def come(self) -> None:
        if self.gate.find_refusal(unhurried) is None:
            begin(self.gate)
            self.working += 1

    @precondition(lambda self: self.working)
    @rule()
    def wait_for_body(self) -> None:
        self.gate.begin_reading()
        self.working -= 1
        self.reading += 1

    @precondition(lambda self: self.reading)
    @rule()
    def send_body(self) -> None:
        self.gate.end_reading()
        self.working += 1
        self.reading -= 1

    @precondition(lambda self: self.working)
    @rule(took_ns=st.integers(0, 10 * NS), count=st.integers(1, MOST))
    def end(self, took_ns: int, count: int) -> None:
        self.now_ns += took_ns
        for _ in range(min(count, self.working)):
            self.gate.end(self.now_ns)
            self.working -= 1

    @rule()
    def crowd(self) -> None:
        for _ in range(MOST):
            self.come()

    @invariant()
    def it_knows_what_is_under_way_and_keeps_its_bounds(self) -> None:
        assert self.gate.under_way == self.working
        assert LEAST <= self.gate.places <= MOST
        assert (self.gate.find_refusal(unhurried) is None) == (
            self.working < self.gate.places and self.reading < READING_MAX
        )


TestGates = Gates.TestCase


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 64)), max_size=200))
def test_expected_times_are_finite_and_positive(steps: list[tuple[int, int]]) -> None:
    gate, now_ns = Gate(), 0
    for took_ns, count in steps:
        while gate.under_way < MOST and gate.find_refusal(unhurried) is None:
            begin(gate)
        now_ns += took_ns
        for _ in range(min(count, gate.under_way)):
            gate.end(now_ns)
        assert 0 <= gate.expected_ns <= 10**7 * len(steps) * MOST
