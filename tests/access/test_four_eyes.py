"""Whose signature seconds whose."""

import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature, is_seconded


def key(key_id: str, client_id: str) -> Signature:
    return Signature(actor=Actor(kind=ActorKind.API_KEY, id=key_id), client_id=client_id)


def person(name: str) -> Signature:
    return Signature(actor=Actor(kind=ActorKind.PERSON, id=name))


def job(name: str) -> Signature:
    return Signature(actor=Actor(kind=ActorKind.JOB, id=name))


@pytest.mark.parametrize(
    ("first", "second", "is_so"),
    [
        (person("staff-7"), person("staff-9"), True),
        (person("staff-7"), person("staff-7"), False),
        (person("staff-7"), person("STAFF-7"), False),
        (key("one", "models"), key("two", "validation"), True),
        (key("one", "models"), key("two", "models"), False),
        (key("one", "models"), key("one", "models"), False),
        (person("models"), key("models", "models"), True),
        (job("retraining"), person("staff-7"), True),
        (job("retraining"), key("one", "models"), True),
        (person("staff-7"), job("retraining"), False),
        (job("retraining"), job("another"), False),
    ],
)
def test_another_person_or_client_seconds_and_a_job_never_does(
    first: Signature, second: Signature, is_so: bool
) -> None:
    assert is_seconded(first, second) is is_so


def test_a_key_without_a_client_signs_for_itself() -> None:
    alone = Signature(actor=Actor(kind=ActorKind.API_KEY, id="one"))
    assert alone.signer == ("api_key", "one")
    assert not is_seconded(alone, alone)
