"""Facts told again are the facts that were read."""

import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.door import Door, Told
from instant_credit.application.facts import Facts
from instant_credit.application.telling import tell_facts
from tests.lending import AS_OF, invent_values, personal_loan

PRODUCT = personal_loan()
DOOR = Door(PRODUCT)


@given(st.integers(0, 2**32))
def test_the_door_reads_told_facts_as_the_same_facts(seed: int) -> None:
    facts = DOOR.check_facts(invent_values(PRODUCT, Random(seed)), AS_OF)
    assert isinstance(facts, Facts)
    applicant = {"name": "Ada Example", "identity_number": "123456789", "address": "1 Example Street"}
    body = {"applicant": applicant, "facts": tell_facts(PRODUCT, facts)}
    told = DOOR.read_application(json.dumps(body).encode(), AS_OF)
    assert isinstance(told, Told)
    assert told.facts == facts
