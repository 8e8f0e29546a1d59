"""Trees, rows and links of the hash chain, without a database."""

import hmac
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from asyncpg.pgproto import pgproto  # type: ignore[import-untyped] # asyncpg has no types
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant
from instant_credit.record.chain import compose_link, encode_row, leaf_of, path_to, root_of, salt_of, split_leaves
from instant_credit.record.writers import Writer, Writers
from instant_credit.verify_receipt import climb, hash_leaf, keyed_hash
from tests.budget import examples
from tests.naive.merkle import naive_path, naive_root

AT = datetime(2026, 11, 23, 9, 30, 0, 123_456, tzinfo=UTC)

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.uuids(),
    st.dates(),
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 hypothesis adds the zone
    st.lists(st.text(max_size=2), max_size=2),
)
rows = st.lists(values, max_size=5)


def leaves_of(count: int) -> list[bytes]:
    return [hash_leaf(str(number).encode()) for number in range(count)]


@given(st.integers(1, 70))
@examples(70)
def test_the_root_is_that_of_rfc_6962(count: int) -> None:
    assert root_of(leaves_of(count)) == naive_root(leaves_of(count))


@given(st.data())
@examples(200)
def test_a_path_is_that_of_rfc_6962_and_leads_to_the_root(data: st.DataObject) -> None:
    leaves = leaves_of(data.draw(st.integers(1, 70)))
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = path_to(leaves, index)
    assert path == naive_path(leaves, index)
    assert climb(leaves[index], index, len(leaves), path) == root_of(leaves)


@given(st.data())
@examples(200)
def test_a_path_leads_from_no_other_place_or_leaf_to_the_root(data: st.DataObject) -> None:
    leaves = leaves_of(data.draw(st.integers(2, 40)))
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = path_to(leaves, index)
    root = root_of(leaves)
    assert climb(hash_leaf(b"another"), index, len(leaves), path) != root
    assert climb(leaves[index], index, len(leaves), path[:-1]) != root
    assert climb(leaves[index], index, len(leaves), [*path, path[-1]]) != root
    other = data.draw(st.integers(0, len(leaves) - 1).filter(lambda place: place != index))
    assert climb(leaves[index], other, len(leaves), path) != root


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_place_outside_the_tree_has_no_root(index: int, size: int) -> None:
    assert climb(leaves_of(1)[0], index, size, []) is None


def test_a_tree_without_leaves_has_no_root() -> None:
    with pytest.raises(BrokenInvariant):
        root_of([])


def as_typed(row: list[Any]) -> list[tuple[str, Any]]:
    """Values that are told apart by type too, without the NULLs at the end."""
    while row and row[-1] is None:
        row = row[:-1]
    return [(type(value).__name__, value.bytes if isinstance(value, UUID) else repr(value)) for value in row]


@given(rows, rows)
@examples(500)
def test_rows_share_bytes_only_when_they_are_equal(one: list[Any], other: list[Any]) -> None:
    assert (encode_row(one) == encode_row(other)) == (as_typed(one) == as_typed(other))


def test_a_nullable_column_that_is_added_later_changes_no_leaf_until_it_is_set() -> None:
    assert leaf_of("cases", (1, "a")) == leaf_of("cases", (1, "a", None, None))
    assert leaf_of("cases", (1, "a")) != leaf_of("cases", (1, "a", None, 0))


def test_the_same_row_of_another_table_is_another_leaf() -> None:
    assert leaf_of("cases", (1, "a")) != leaf_of("identities", (1, "a"))


def test_a_row_reads_alike_when_it_comes_back_from_the_database() -> None:
    row_id = uuid4()
    elsewhere = AT.astimezone(timezone(timedelta(hours=5)))
    assert encode_row((row_id, AT, date(2026, 1, 1))) == encode_row(
        (pgproto.UUID(row_id.bytes), elsewhere, date(2026, 1, 1))
    )


def test_a_value_of_no_column_is_refused() -> None:
    with pytest.raises(BrokenInvariant, match="complex"):
        encode_row((1j,))


def test_a_decision_without_a_commitment_is_none_with_an_empty_one() -> None:
    row = (1, uuid4(), None, "a")
    assert leaf_of("decisions", row) != leaf_of("decisions", (*row[:2], bytes(32), "a"))


def test_a_link_depends_on_everything_it_holds() -> None:
    writer, previous, leaves = uuid4(), bytes(32), leaves_of(3)
    link = compose_link(writer, 5, previous, leaves, AT)
    others = [
        compose_link(uuid4(), 5, previous, leaves, AT),
        compose_link(writer, 6, previous, leaves, AT),
        compose_link(writer, 5, hash_leaf(b""), leaves, AT),
        compose_link(writer, 5, previous, leaves[::-1], AT),
        compose_link(writer, 5, previous, leaves, AT + timedelta(microseconds=1)),
    ]
    assert link.link not in {other.link for other in others}
    assert split_leaves(link.leaves) == leaves


def test_every_decision_has_a_salt_of_its_own_out_of_its_persons_key() -> None:
    one, other = uuid4(), uuid4()
    salts = {salt_of(key, decision) for key in (bytes(32), b"k" * 32) for decision in (one, other)}
    assert len(salts) == 4


def entropy_from(start: int) -> Any:
    given_bytes = iter(range(start, start + 250))
    return lambda size: bytes([next(given_bytes)] * size)


@pytest.mark.anyio
async def test_a_writer_that_is_settled_is_lent_again_and_goes_on() -> None:
    writers = Writers(entropy_from(1))
    async with writers.lend() as writer:
        first = writer.compose(leaves_of(1), AT)
        writer.settle()
    async with writers.lend() as again:
        assert again is writer
        second = again.compose(leaves_of(1), AT)
    assert (first.seq, second.seq) == (0, 1)
    assert second.link == compose_link(writer.id, 1, first.link, leaves_of(1), AT).link


@pytest.mark.anyio
async def test_two_users_at_a_time_have_writers_of_their_own() -> None:
    writers = Writers(entropy_from(1))
    async with writers.lend() as one, writers.lend() as other:
        assert one.id != other.id


@pytest.mark.anyio
async def test_a_writer_in_doubt_is_never_lent_again() -> None:
    writers = Writers(entropy_from(1))
    async with writers.lend() as unsettled:
        unsettled.compose(leaves_of(1), AT)
    with pytest.raises(ZeroDivisionError):
        async with writers.lend() as failed:
            raise ZeroDivisionError
    async with writers.lend() as fresh:
        assert len({unsettled.id, failed.id, fresh.id}) == 3
        assert fresh.seq == 0


def test_a_writer_settles_one_link_at_a_time() -> None:
    writer = Writer(uuid4())
    with pytest.raises(BrokenInvariant):
        writer.settle()
    writer.compose(leaves_of(1), AT)
    with pytest.raises(BrokenInvariant):
        writer.compose(leaves_of(1), AT)


@given(st.binary(max_size=64), st.binary(max_size=300))
def test_a_keyed_hash_is_hmac_sha_256(key: bytes, message: bytes) -> None:
    assert keyed_hash(key, message) == hmac.digest(key, message, "sha256")
