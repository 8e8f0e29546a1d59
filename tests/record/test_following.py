"""The key ring's file while processes use it: a rotation reaches them, and nothing else does."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import Refused
from instant_credit.record.rings import (
    FollowedKeyRing,
    add_master_key,
    create_key_ring,
    read_key_ring,
    remove_master_keys,
    turn_ring,
)
from instant_credit.record.sealing import WrappedKey

KEY_ID, PERSON, DATA_KEY = UUID(int=7), b"p" * 32, b"d" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ring = tmp_path / "keys" / "ring.json"
    create_key_ring(ring)
    return ring


def wrap(ring: FollowedKeyRing) -> WrappedKey:
    ring.follow()
    return ring.wrap_key(KEY_ID, PERSON, DATA_KEY, os.urandom)


def unwrap(ring: FollowedKeyRing, wrapped: WrappedKey) -> bytes:
    return ring.unwrap_key(KEY_ID, PERSON, wrapped)


def test_a_running_process_wraps_by_the_new_key_as_soon_as_the_ring_has_turned(path: Path) -> None:
    ring = FollowedKeyRing(path)
    former = wrap(ring)
    newest = turn_ring(path)
    assert former.master_key_id != newest
    assert wrap(ring).master_key_id == newest
    assert unwrap(ring, former) == DATA_KEY


def test_a_running_process_opens_what_another_one_wrapped_by_a_key_it_did_not_hold(path: Path) -> None:
    ring, other = FollowedKeyRing(path), FollowedKeyRing(path)
    turn_ring(path)
    assert unwrap(ring, wrap(other)) == DATA_KEY


def test_an_added_key_wraps_nothing_until_the_ring_turns_to_it(path: Path) -> None:
    ring = FollowedKeyRing(path)
    first = ring.current
    added = add_master_key(path)
    assert wrap(ring).master_key_id == first
    assert ring.master_key_ids == (first, added)
    assert turn_ring(path) == added
    assert wrap(ring).master_key_id == added
    assert len(read_key_ring(path).master_key_ids) == 2


def test_persons_and_bodies_keep_their_names_over_a_rotation(path: Path) -> None:
    before = read_key_ring(path)
    turn_ring(path)
    after = read_key_ring(path)
    assert after.fingerprint() == before.fingerprint()
    assert after.person_id_of("1234") == before.person_id_of("1234")
    assert after.body_mac("client", b"body") == before.body_mac("client", b"body")


@pytest.mark.parametrize("spoilt", ["gone", "cut", "open", "another"])
def test_a_process_goes_on_with_its_keys_while_the_file_is_no_ring_of_its_record(path: Path, spoilt: str) -> None:
    ring = FollowedKeyRing(path)
    held, copy = ring.current, path.with_name("copy.json")
    shutil.copy2(path, copy)
    path.unlink()
    if spoilt == "another":
        create_key_ring(path)
    elif spoilt != "gone":
        path.write_bytes(copy.read_bytes()[: -20 if spoilt == "cut" else None])
        path.chmod(0o644 if spoilt == "open" else 0o600)
    assert unwrap(ring, wrap(ring)) == DATA_KEY
    assert ring.current == held
    with pytest.raises(Refused, match="no master key other"):
        unwrap(ring, WrappedKey(master_key_id="other", wrapped=b"w" * 61))
    shutil.copy2(copy, path)
    assert wrap(ring).master_key_id == held
    newest = turn_ring(path)
    assert wrap(ring).master_key_id == newest


def test_the_file_keeps_its_mode_and_its_owner(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, 12_345, 12_346)
    before = path.stat()
    turn_ring(path)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mode & 0o777 == 0o600
    assert after.st_ino != before.st_ino


def test_a_ring_behind_a_link_stays_behind_it(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    newest = turn_ring(link)
    assert link.is_symlink()
    assert read_key_ring(path).current == newest


def test_rings_that_are_turned_at_once_lose_no_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda _: add_master_key(path), range(16)))
    assert set(added) < set(read_key_ring(path).master_key_ids)
    assert len(read_key_ring(path).master_key_ids) == 17


def test_the_current_key_does_not_leave_the_ring(path: Path) -> None:
    first = read_key_ring(path).current
    with pytest.raises(Refused, match=f"master key {first} is current"):
        remove_master_keys(path, [first])
    newest = turn_ring(path)
    remove_master_keys(path, [first, "never there"])
    assert read_key_ring(path).master_key_ids == (newest,)


def test_a_file_that_is_no_ring_is_not_turned(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    with pytest.raises(Refused, match="no key ring at"):
        turn_ring(path)
    path.write_text("{}")
    path.chmod(0o600)
    with pytest.raises(Refused, match="is not a key ring"):
        turn_ring(path)
    assert path.read_text() == "{}"


@given(steps=st.lists(st.sampled_from(["add", "turn", "wrap", "reopen"]), max_size=12))
def test_whatever_the_order_every_process_opens_what_any_wrapped(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    path = tmp_path_factory.mktemp("ring") / "ring.json"
    create_key_ring(path)
    rings, wrapped = [FollowedKeyRing(path), FollowedKeyRing(path)], []
    for place, step in enumerate(steps):
        if step == "add":
            add_master_key(path)
        elif step == "turn":
            assert turn_ring(path) == read_key_ring(path).current
        elif step == "reopen":
            rings.append(FollowedKeyRing(path))
        else:
            wrapped.append(wrap(rings[place % len(rings)]))
            assert wrapped[-1].master_key_id == read_key_ring(path).current
    for ring in rings:
        assert {unwrap(ring, one) for one in wrapped} <= {DATA_KEY}
