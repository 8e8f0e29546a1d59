import json
import os
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.record.rings import create_key_ring, read_key_ring
from instant_credit.record.sealing import KeyRing, WrappedKey, bucket_of_person, name_master_key, seal, unseal

RING = KeyRing(current="k1", master_keys={"k1": b"1" * 32}, identity_key=b"2" * 32, body_key=b"3" * 32)
KEY_ID = UUID(int=7)
DATA_KEY = AESGCM(b"4" * 32)


@given(st.binary(max_size=4_000), st.binary(min_size=16, max_size=16))
def test_what_was_sealed_opens(plaintext: bytes, row_id: bytes) -> None:
    sealed = seal(DATA_KEY, plaintext, place="cases.case", row_id=row_id, entropy=os.urandom)
    assert unseal(DATA_KEY, sealed, place="cases.case", row_id=row_id) == plaintext


@given(st.integers(min_value=0), st.integers(1, 255))
def test_altered_bytes_do_not_open(place: int, change: int) -> None:
    sealed = bytearray(seal(DATA_KEY, b"evidence", place="cases.case", row_id=b"row", entropy=os.urandom))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(BrokenInvariant, match=r"cases\.case do not open"):
        unseal(DATA_KEY, bytes(sealed), place="cases.case", row_id=b"row")


@pytest.mark.parametrize(
    ("place", "row_id"), [("cases.monitoring", b"row"), ("cases.case", b"other"), ("cases.cas", b"erow"), ("", b"")]
)
def test_moved_bytes_do_not_open(place: str, row_id: bytes) -> None:
    sealed = seal(DATA_KEY, b"evidence", place="cases.case", row_id=b"row", entropy=os.urandom)
    with pytest.raises(BrokenInvariant, match="do not open"):
        unseal(DATA_KEY, sealed, place=place, row_id=row_id)


@given(st.binary(max_size=28))
def test_too_few_bytes_are_refused(sealed: bytes) -> None:
    with pytest.raises(BrokenInvariant, match="too short"):
        unseal(DATA_KEY, sealed, place="cases.case", row_id=b"row")


@pytest.mark.parametrize(("key_id", "person_id"), [(KEY_ID, b"q" * 32), (UUID(int=8), b"p" * 32)])
def test_a_data_key_opens_under_its_own_id_for_its_own_person_only(key_id: UUID, person_id: bytes) -> None:
    wrapped = RING.wrap_key(KEY_ID, b"p" * 32, b"d" * 32, os.urandom)
    assert RING.unwrap_key(KEY_ID, b"p" * 32, wrapped) == b"d" * 32
    with pytest.raises(BrokenInvariant, match="do not open"):
        RING.unwrap_key(key_id, person_id, wrapped)


def test_a_ring_without_the_master_key_says_so() -> None:
    with pytest.raises(Refused, match="no master key k0"):
        RING.unwrap_key(KEY_ID, b"p" * 32, WrappedKey(master_key_id="k0", wrapped=b"w" * 61))


def test_an_old_master_key_still_opens_what_it_wrapped() -> None:
    wrapped = RING.wrap_key(KEY_ID, b"p" * 32, b"d" * 32, os.urandom)
    turned = KeyRing(
        current="k2", master_keys={"k1": b"1" * 32, "k2": b"9" * 32}, identity_key=b"2" * 32, body_key=b"3" * 32
    )
    assert turned.unwrap_key(KEY_ID, b"p" * 32, wrapped) == b"d" * 32
    assert turned.wrap_key(KEY_ID, b"p" * 32, b"d" * 32, os.urandom).master_key_id == "k2"


@pytest.mark.parametrize("written", ["123-45-6789", "123 45 6789", " 123.45.6789 ", "\uff11\uff12\uff13456789"])
def test_one_person_has_one_name_however_the_number_is_written(written: str) -> None:
    assert RING.person_id_of(written) == RING.person_id_of("123456789")


def test_letters_of_an_identity_number_have_no_case() -> None:
    assert RING.person_id_of("ab12cd") == RING.person_id_of("AB12CD")


def test_another_ring_names_persons_otherwise() -> None:
    other = KeyRing(current="k1", master_keys={"k1": b"1" * 32}, identity_key=b"x" * 32, body_key=b"3" * 32)
    assert other.person_id_of("123456789") != RING.person_id_of("123456789")


def test_the_fingerprint_follows_the_keys_of_both_hashes_and_no_master_key() -> None:
    one, two, three = b"1" * 32, b"2" * 32, b"3" * 32
    rings = [
        KeyRing(current="k1", master_keys={"k1": one}, identity_key=identity_key, body_key=body_key)
        for identity_key, body_key in ((two, three), (three, two), (two, one), (one, three))
    ]
    assert len({ring.fingerprint() for ring in rings}) == 4
    turned = KeyRing(current="k2", master_keys={"k1": one, "k2": two}, identity_key=two, body_key=three)
    assert turned.fingerprint() == RING.fingerprint()
    assert len(RING.fingerprint()) == 32


def test_a_master_key_is_named_by_itself(tmp_path: Path) -> None:
    wrapped = set()
    for folder in ("one", "other"):
        path = tmp_path / folder / "ring.json"
        create_key_ring(path)
        wrapped.add(read_key_ring(path).wrap_key(KEY_ID, b"p" * 32, b"d" * 32, os.urandom).master_key_id)
        (named,) = json.loads(path.read_text())["master_keys"].items()
        assert named[0] == name_master_key(b64decode(named[1]))
    assert len(wrapped) == 2


def test_reading_makes_no_ring(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no key ring at"):
        read_key_ring(tmp_path / "ring.json")
    assert not list(tmp_path.iterdir())


def test_the_bucket_is_the_first_byte() -> None:
    assert bucket_of_person(b"\xfe" + b"\0" * 31) == 254


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=20), st.binary(max_size=20))
def test_body_macs_are_equal_for_equal_client_and_body_only(one: str, other: str, body: bytes, changed: bytes) -> None:
    one, other = one.replace("\0", ""), other.replace("\0", "")
    same = (one, body) == (other, changed)
    assert (RING.body_mac(one, body) == RING.body_mac(other, changed)) == same


def test_a_key_ring_shows_no_key() -> None:
    assert repr(RING) == "KeyRing(current='k1')"


def test_the_ring_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ring.json"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: create_key_ring(path), range(32)))
        names = set(threads.map(lambda _: read_key_ring(path).person_id_of("1234"), range(32)))
    assert len(names) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [left.name for left in path.parent.iterdir()] == ["ring.json"]


def test_a_ring_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    create_key_ring(path)
    path.chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        read_key_ring(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"current": 1}', "\x00"])
def test_a_file_that_is_no_ring_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ring.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(Refused, match="not a key ring"):
        read_key_ring(path)


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(Refused, match="32 bytes"):
        KeyRing(current="k1", master_keys={"k1": b"short"}, identity_key=b"2" * 32, body_key=b"3" * 32)


def test_a_current_key_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="current"):
        KeyRing(current="k2", master_keys={"k1": b"1" * 32}, identity_key=b"2" * 32, body_key=b"3" * 32)
