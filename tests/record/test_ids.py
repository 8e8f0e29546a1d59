from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.record.ids import bucket_of, derive_id, new_id, span_of

instants = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 bounds of a strategy with a zone
buckets = st.integers(0, 255)


@given(buckets, instants, st.binary(min_size=9, max_size=9))
def test_an_id_carries_its_bucket_and_millisecond(bucket: int, at: datetime, chance: bytes) -> None:
    made = new_id(bucket, at, lambda count: chance[:count])
    assert bucket_of(made) == bucket
    assert made.int >> 80 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@given(buckets, instants, st.binary(min_size=9, max_size=9))
def test_an_id_is_a_version_7_uuid(bucket: int, at: datetime, chance: bytes) -> None:
    made = new_id(bucket, at, lambda count: chance[:count])
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


@given(buckets, instants, st.binary(), st.binary())
def test_a_derived_id_depends_on_its_seed_alone(bucket: int, at: datetime, seed: bytes, other: bytes) -> None:
    assert derive_id(bucket, at, seed) == derive_id(bucket, at, seed)
    assert (derive_id(bucket, at, seed) == derive_id(bucket, at, other)) == (seed == other)


@given(buckets, instants, instants, st.binary(min_size=9, max_size=9))
def test_later_ids_of_a_bucket_sort_later(bucket: int, one: datetime, other: datetime, chance: bytes) -> None:
    early, late = sorted((one, other))
    first, second = new_id(bucket, early, lambda _: chance), new_id(bucket, late, lambda _: chance)
    assert first <= second


def test_a_time_before_1970_is_refused() -> None:
    with pytest.raises(Refused, match="1970"):
        derive_id(0, datetime(1969, 12, 31, tzinfo=UTC), b"")


@pytest.mark.parametrize("bucket", [-1, 256])
def test_a_bucket_out_of_range_is_our_bug(bucket: int) -> None:
    with pytest.raises(BrokenInvariant, match="bucket"):
        derive_id(bucket, datetime(2020, 1, 1, tzinfo=UTC), b"")


@given(st.lists(st.tuples(buckets, instants, st.binary(min_size=9, max_size=9)), min_size=1), st.data())
def test_a_span_holds_all_ids_of_its_milliseconds_and_no_others(
    made: list[tuple[int, datetime, bytes]], data: st.DataObject
) -> None:
    row_ids = [new_id(bucket, at, lambda _, chance=chance: chance) for bucket, at, chance in made]  # type: ignore[misc] # a lambda's default has no type
    least, greatest = span_of(row_ids)
    one_ms = timedelta(milliseconds=1)
    first, last = min(at for _, at, _ in made), max(at for _, at, _ in made)
    bucket, chance = data.draw(buckets), data.draw(st.binary(min_size=9, max_size=9))
    assert all(least <= new_id(bucket, at, lambda _: chance) <= greatest for _, at, _ in made)
    assert new_id(bucket, last + one_ms, lambda _: chance) > greatest
    if first >= datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC):
        assert new_id(bucket, first - one_ms, lambda _: chance) < least


def test_no_ids_span_nothing() -> None:
    least, greatest = span_of([])
    assert least > greatest
