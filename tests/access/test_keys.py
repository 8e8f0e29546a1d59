from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.access.actors import ActorKind, Scope
from instant_credit.access.keys import KeptKey, MintedKey, check_key, mint_key, parse_key
from instant_credit.errors import BrokenInvariant

NOW = datetime(2024, 3, 1, tzinfo=UTC)
chances = st.binary(min_size=42, max_size=42)


def keep(minted: MintedKey, *, is_test: bool = False) -> KeptKey:
    return KeptKey(
        key_id=minted.key_id,
        client_id="client",
        secret_hash=minted.secret_hash,
        scopes=frozenset({Scope.APPLY}),
        is_test=is_test,
    )


@given(chances, st.booleans())
def test_a_minted_key_is_granted_in_its_mode(chance: bytes, is_test: bool) -> None:
    minted = mint_key(chance, is_test=is_test)
    presented = parse_key(minted.text)
    assert presented is not None
    grant = check_key(presented, keep(minted, is_test=is_test), NOW)
    assert grant is not None
    assert (grant.client_id, grant.actor.kind, grant.actor.id) == ("client", ActorKind.API_KEY, minted.key_id)
    assert grant.is_test == is_test


def test_the_eye_tells_a_key_for_tests_apart() -> None:
    assert mint_key(bytes(42)).text.startswith("ic_")
    assert mint_key(bytes(42), is_test=True).text.startswith("ict_")


@given(chances, st.booleans())
def test_a_key_with_the_other_modes_prefix_is_not_granted(chance: bytes, is_test: bool) -> None:
    presented = parse_key(mint_key(chance, is_test=not is_test).text)
    assert presented is not None
    assert check_key(presented, keep(mint_key(chance, is_test=is_test), is_test=is_test), NOW) is None


@given(chances, st.text(max_size=80))
def test_another_text_is_not_granted(chance: bytes, text: str) -> None:
    minted = mint_key(chance)
    presented = parse_key(text)
    assert presented is None or check_key(presented, keep(minted), NOW) is None


@given(chances, st.integers(0, 61), st.characters())
def test_a_text_with_one_other_character_is_not_granted(chance: bytes, place: int, character: str) -> None:
    minted = mint_key(chance)
    text = minted.text[:place] + character + minted.text[place + 1 :]
    presented = parse_key(text)
    granted = presented is not None and check_key(presented, keep(minted), NOW) is not None
    assert granted == (text == minted.text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ic__",
        "ic_" + "a" * 16 + "_" + "b" * 42,
        "xx_" + "a" * 16 + "_" + "b" * 43,
        "icx_" + "a" * 16 + "_" + "b" * 43,
        "_" + "a" * 16 + "_" + "b" * 43,
        "ic_" + "1" * 16 + "_" + "b" * 43,
        "ic_" + "A" * 16 + "_" + "b" * 43,
        "ic_" + "a" * 15 + "_" + "b" * 44,
        "ic_" + "a" * 16 + "_" + "\N{SNOWMAN}" * 43,
    ],
)
def test_a_text_that_cannot_be_a_key_is_not_looked_up(text: str) -> None:
    assert parse_key(text) is None


@pytest.mark.parametrize(
    ("changes", "is_granted"),
    [
        ({"expires_at": NOW + timedelta(microseconds=1)}, True),
        ({"expires_at": NOW}, False),
        ({"expires_at": NOW - timedelta(microseconds=1)}, False),
        ({"revoked_at": NOW + timedelta(days=1)}, False),
        ({"secret_hash": b"0" * 32}, False),
        ({"key_id": "b" * 16}, False),
    ],
)
def test_a_grant_needs_the_right_secret_before_expiry_and_revocation(
    changes: dict[str, object], is_granted: bool
) -> None:
    minted = mint_key(bytes(42))
    presented = parse_key(minted.text)
    assert presented is not None
    assert (check_key(presented, replace(keep(minted), **changes), NOW) is not None) == is_granted


def test_the_secret_is_not_in_what_is_kept() -> None:
    minted = mint_key(bytes(range(42)))
    assert minted.text.split("_", 2)[2].encode() not in minted.secret_hash


def test_too_little_chance_makes_no_key() -> None:
    with pytest.raises(BrokenInvariant, match="42"):
        mint_key(b"short")
