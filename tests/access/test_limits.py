import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.access.limits import (
    Allowance,
    Bucket,
    count_variants,
    note_variant,
    seconds_ceil,
)
from instant_credit.errors import BrokenInvariant
from tests.budget import examples
from tests.naive.limits import naive_is_admitted, naive_other_variants

SECOND = 1_000_000_000
# Gaps around what one token takes, so that requests fall just before, on and just after its instant.
gaps = st.one_of(
    st.sampled_from([0, 1, SECOND // 7, SECOND // 7 + 1, SECOND // 3, SECOND // 3 + 1, SECOND, 5 * SECOND]),
    st.integers(0, 2 * SECOND),
)


@examples(150)
@given(st.integers(1, 9), st.integers(1, 5), st.lists(gaps, max_size=40))
def test_a_bucket_lets_in_what_its_definition_does(rate: int, burst: int, waits: list[int]) -> None:
    bucket = Bucket(Allowance(rate=rate, burst=burst), 0)
    now_ns, admitted = 0, list[int]()
    for wait in waits:
        now_ns += wait
        expected = naive_is_admitted(admitted, now_ns, rate=rate, burst=burst)
        assert bucket.take(now_ns).is_admitted == expected
        if expected:
            admitted.append(now_ns)


@given(st.integers(1, 9), st.integers(1, 5), st.lists(gaps, max_size=30))
def test_the_wait_told_is_exact(rate: int, burst: int, waits: list[int]) -> None:
    now_ns, admitted = 0, list[int]()
    bucket = Bucket(Allowance(rate=rate, burst=burst), 0)
    for wait in waits:
        now_ns += wait
        taken = bucket.take(now_ns)
        if taken.is_admitted:
            admitted.append(now_ns)
        assert naive_is_admitted(admitted, now_ns + taken.wait_ns, rate=rate, burst=burst)
        if taken.wait_ns:
            assert not naive_is_admitted(admitted, now_ns + taken.wait_ns - 1, rate=rate, burst=burst)
            assert taken.remaining == 0


@given(st.integers(1, 9), st.integers(1, 5), st.lists(gaps, max_size=30))
def test_as_many_are_let_in_as_remain(rate: int, burst: int, waits: list[int]) -> None:
    bucket = Bucket(Allowance(rate=rate, burst=burst), 0)
    now_ns, remaining = 0, burst
    for wait in waits:
        now_ns += wait
        remaining = bucket.take(now_ns).remaining
    assert [bucket.take(now_ns).is_admitted for _ in range(remaining + 1)] == [True] * remaining + [False]


def test_a_clock_that_falls_back_gives_nothing() -> None:
    bucket = Bucket(Allowance(rate=1, burst=1), 10 * SECOND)
    assert bucket.take(0).is_admitted
    assert not bucket.take(9 * SECOND).is_admitted
    assert bucket.take(11 * SECOND).is_admitted


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1)])
def test_an_allowance_allows_something(rate: int, burst: int) -> None:
    with pytest.raises(BrokenInvariant):
        Allowance(rate=rate, burst=burst)


@examples(150)
@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6)), max_size=40))
def test_variants_are_counted_as_defined(window_ns: int, asked: list[tuple[int, int]]) -> None:
    now_ns = 0
    kept: dict[bytes, int] = {}
    sent: list[tuple[int, int]] = []
    for wait, variant in asked:
        now_ns += wait
        name = bytes([variant])
        assert count_variants(kept, name, now_ns, window_ns) == naive_other_variants(
            sent, variant, now_ns, window_ns=window_ns
        )
        note_variant(kept, name, now_ns)
        sent.append((now_ns, variant))


@pytest.mark.parametrize(("span_ns", "seconds"), [(0, 1), (1, 1), (SECOND, 1), (SECOND + 1, 2), (90 * SECOND, 90)])
def test_a_wait_is_told_in_whole_seconds(span_ns: int, seconds: int) -> None:
    assert seconds_ceil(span_ns) == seconds
