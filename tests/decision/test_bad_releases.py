"""A release that does not prove itself is not composed, and says why."""

import pytest

from instant_credit.decision.release import compose_release
from instant_credit.errors import Refused
from tests.decision.bad_releases import BAD, good_bundle, manifest_of, released


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_prove_itself_is_refused_with_the_reason(name: str) -> None:
    make, words = BAD[name]
    made = make()
    with pytest.raises(Refused, match=words):
        compose_release(manifest_of(made), made.by_hash)


def test_the_same_parts_without_a_fault_compose() -> None:
    made = released(good_bundle())
    assert compose_release(manifest_of(made), made.by_hash).hash == made.release_hash
