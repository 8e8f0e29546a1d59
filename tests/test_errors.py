"""Errors carry their facts."""

import pytest

from instant_credit.errors import BrokenInvariant, NotFound, require


def test_a_broken_invariant_is_raised_and_a_kept_one_is_not() -> None:
    require(condition=True, message="kept")
    with pytest.raises(BrokenInvariant, match="broken"):
        require(condition=False, message="broken")


def test_what_is_not_found_keeps_its_kind_and_name() -> None:
    error = NotFound("release", "abc")
    assert (error.kind, error.name, str(error)) == ("release", "abc", "release abc not found")
