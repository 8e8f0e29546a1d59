"""Applicants: one by one the same as many at a time, tellable at the door, and without a truth."""

import hashlib
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.door import Door, Told
from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.market.applicants import CHUNK_ROWS, Applicants, draw_applicants
from instant_credit.market.telling import Teller, tell_identity
from instant_credit.market.world import World
from instant_credit.units import date_from_days
from tests.budget import examples
from tests.market.lending import WORLD, draw_all, personal_loan

OF_THE_PERSON = (
    *("income_annual_cents", "earliest_credit_on", "employment_years", "home_ownership", "residence_state"),
    *("total_accounts", "public_records", "revolving_limit_cents"),
)


def to_bytes(applicants: Applicants) -> bytes:
    arrays = [applicants.numbers, applicants.persons, applicants.households, applicants.applied_days]
    for columns in (applicants.columns, applicants.groups, applicants.told_groups):
        arrays += [columns[name] for name in sorted(columns)]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


@examples(15)
@given(st.integers(0, 10**6), st.integers(1, 40), st.data())
def test_one_applicant_is_the_same_alone_and_among_others(first: int, count: int, data: st.DataObject) -> None:
    many = draw_applicants(WORLD, first, count)
    row = data.draw(st.integers(0, count - 1))
    assert to_bytes(many.take(slice(row, row + 1))) == to_bytes(draw_applicants(WORLD, first + row, 1))


def test_what_is_drawn_in_chunks_is_what_is_drawn_at_once() -> None:
    whole = draw_applicants(WORLD, 0, CHUNK_ROWS + 300)
    assert len(whole) == CHUNK_ROWS + 300
    assert to_bytes(whole.take(slice(CHUNK_ROWS - 50, None))) == to_bytes(draw_applicants(WORLD, CHUNK_ROWS - 50, 350))


def test_the_same_seed_gives_the_same_bytes_for_ever() -> None:
    drawn = to_bytes(draw_applicants(World(seed=1), 100_000, 2_000))
    assert hashlib.sha256(drawn).hexdigest() == "d7357a25a2316aa21527fdf9b80e7cdfbc6e469f8157a743e24c571c0a21a67b"
    assert drawn != to_bytes(draw_applicants(World(seed=2), 100_000, 2_000))


def test_a_number_beyond_the_bounds_is_refused() -> None:
    with pytest.raises(BrokenInvariant, match="applicants' numbers"):
        draw_applicants(WORLD, -1, 5)


def test_nobody_can_be_drawn() -> None:
    assert len(draw_applicants(WORLD, 7, 0)) == 0


def test_who_applies_again_is_the_same_person_with_another_application() -> None:
    world = replace(WORLD, return_share=0.5, return_days=14, applications_per_day=20)
    applicants, _ = draw_all(world, 8_000)
    again = np.flatnonzero(applicants.persons != applicants.numbers)
    assert 0.3 < len(again) / 8_000 < 0.4  # half of three quarters
    before = applicants.persons[again]
    assert ((applicants.numbers[again] - before) % 280 == 0).all()
    assert set(((applicants.numbers[again] - before) // 280).tolist()) == {1, 2, 3}
    # A person's first application is nobody's second one.
    assert (applicants.persons[before] == before).all()
    for name in OF_THE_PERSON:
        assert (applicants.columns[name][again] == applicants.columns[name][before]).all(), name
    assert (applicants.households[again] == applicants.households[before]).all()
    asked = applicants.columns["requested_amount_cents"]
    assert (asked[again] != asked[before]).mean() > 0.9


def test_a_household_is_two_persons_of_one_address() -> None:
    applicants, _ = draw_all(WORLD, 30_000)
    second = np.flatnonzero(applicants.households != applicants.persons)
    assert 0.10 < len(second) / 30_000 < 0.15
    heads = applicants.households[second]
    assert (heads < applicants.persons[second]).all()
    is_root = applicants.persons[heads] == heads
    assert is_root.mean() > 0.85
    row, head = int(second[is_root][0]), int(heads[is_root][0])
    ours, theirs = tell_identity(applicants, row), tell_identity(applicants, head)
    assert ours.address == theirs.address
    assert ours.identity_number != theirs.identity_number
    assert len(np.unique(applicants.persons[applicants.households == head])) == 2


def test_groups_differ_in_what_the_world_says_they_differ_in() -> None:
    applicants, _ = draw_all(WORLD, 30_000)
    income, is_first = np.log(applicants.columns["income_annual_cents"]), applicants.groups["sex"] == 0
    gap = income[applicants.groups["sex"] == 1].mean() - income[is_first].mean()
    assert gap == pytest.approx(WORLD.group_income_gap, abs=0.03)
    untold = applicants.told_groups["sex"] == -1
    assert 0.08 < untold.mean() < 0.12
    assert (applicants.told_groups["ethnicity"] == -1).tolist() == untold.tolist()
    assert (applicants.told_groups["sex"][~untold] == applicants.groups["sex"][~untold]).all()


def test_facts_of_a_file_do_not_contradict_each_other() -> None:
    facts = draw_all(WORLD, 30_000)[0].columns
    assert (facts["open_accounts"] <= facts["total_accounts"]).all()
    assert (facts["installment_accounts_active"] <= facts["installment_accounts"]).all()
    assert (facts["installment_accounts_opened_12m"] <= facts["installment_accounts_opened_24m"]).all()
    assert (facts["installment_balance_cents"] <= facts["installment_credit_limit_cents"]).all()
    assert (facts["revolving_balance_cents"] <= facts["revolving_limit_cents"]).all()
    assert (facts["bankruptcies"] <= facts["public_records"]).all()
    assert ((facts["public_records"] == 0) == (facts["months_since_public_record"] == -1)).all()
    assert (facts["inquiries_6m"] <= facts["inquiries_12m"]).all()
    was_late = facts["delinquencies_2y"] > 0
    assert (facts["months_since_delinquency"][was_late] < 24).all()
    assert (
        (facts["months_since_delinquency"][~was_late] >= 24) | (facts["months_since_delinquency"][~was_late] == -1)
    ).all()
    assert ((facts["accounts_now_delinquent"] > 0) == (facts["delinquent_amount_cents"] > 0)).all()


def test_every_applicant_passes_the_door_and_is_read_as_told() -> None:
    teller, door = Teller(personal_loan()), Door(personal_loan())
    applicants, _ = draw_all(WORLD, 30_000)
    for row in range(0, 30_000, 100):
        as_of = date_from_days(int(applicants.applied_days[row]))
        read = door.read_application(teller.encode_body(applicants, row), as_of)
        assert isinstance(read, Told), read
        assert read.facts == teller.tell_facts(applicants, row)
        assert read.monitoring == teller.tell_monitoring(applicants, row)
        assert read.identity == tell_identity(applicants, row)


def test_who_tells_nothing_of_groups_sends_no_monitoring() -> None:
    applicants, _ = draw_all(WORLD, 30_000)
    row = int(np.flatnonzero(applicants.told_groups["sex"] == -1)[0])
    assert "monitoring" not in Teller(personal_loan()).tell_body(applicants, row)


def test_prohibited_attributes_stand_under_monitoring_alone() -> None:
    applicants, _ = draw_all(WORLD, 30_000)
    assert not set(applicants.groups) & set(applicants.columns)
    for row in range(50):
        assert not set(applicants.groups) & set(Teller(personal_loan()).tell_body(applicants, row)["facts"])


def test_a_product_that_the_market_cannot_tell_is_refused() -> None:
    product = personal_loan()
    amount, home = product.attributes[0], next(a for a in product.attributes if a.name == "home_ownership")
    unknown = replace(product, attributes=(replace(amount, name="shoe_size"), *product.attributes[1:]))
    with pytest.raises(Refused, match="shoe_size is required and unknown"):
        Teller(unknown)
    other = tuple(replace(a, categories=("rent",)) if a is home else a for a in product.attributes)
    with pytest.raises(Refused, match="home_ownership is of another type or has other categories"):
        Teller(replace(product, attributes=other))


def test_what_the_market_does_not_know_is_not_told() -> None:
    product = personal_loan()
    named = {"employment_years", "home_ownership", "revolving_balance_cents", "debt_to_income_percent", "sex"}
    named |= {"earliest_credit_on"}
    renamed = [replace(a, name=f"other_{a.name}") if a.name in named else a for a in product.attributes]
    teller = Teller(replace(product, attributes=tuple(renamed)))
    applicants, _ = draw_all(WORLD, 30_000)
    body = teller.tell_body(applicants, 0)
    assert not {name for name in body["facts"] if name.startswith("other_")} | (named & set(body["facts"]))
    assert "ethnicity" in body["monitoring"]
    assert "sex" not in body["monitoring"]


def test_applicants_have_no_place_for_a_truth() -> None:
    named = {field.name for field in fields(Applicants)}
    assert named == {"numbers", "persons", "households", "applied_days", "columns", "groups", "told_groups"}
    told = {a.name for a in personal_loan().case_attributes}
    assert set(draw_all(WORLD, 30_000)[0].columns) <= told
