"""Canonical bytes and their hash."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from instant_credit.canonical import encode_canonical, hash_content


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**53), 2**53), max_size=6))
def test_equal_values_give_equal_bytes_in_any_order(value: dict[str, int]) -> None:
    assert encode_canonical(value) == encode_canonical(dict(reversed(value.items())))


@given(st.binary(max_size=64))
def test_the_hash_is_sha_256_in_hex(raw: bytes) -> None:
    assert hash_content(raw) == hashlib.sha256(raw).hexdigest()
