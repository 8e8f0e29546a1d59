"""What the door lets in, what it says about everything else, and that it never breaks."""

import json
import math
from datetime import date, datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.complaints import BODY_BYTES_MAX, PROBLEMS_MAX, Complaints
from instant_credit.application.door import Door, Told
from instant_credit.application.facts import Facts, Monitoring
from instant_credit.application.fields import years_before
from instant_credit.application.merging import merge_patch
from instant_credit.application.product import Attribute, AttributeType, Legal, MissingRule, Product, Source
from instant_credit.application.telling import tell_facts
from instant_credit.errors import Problem
from tests.application.loans import (
    APPLICANT,
    AS_OF,
    as_told,
    personal_door,
    personal_loan,
    raw_of,
    valid_bodies,
    valid_facts,
    whole_facts,
)
from tests.budget import examples
from tests.features.programs import AS_OF_DAY, natural_facts, products

MARK = "Zq7Marker"
FACTS = whole_facts(personal_loan())
BODY = {"applicant": APPLICANT, "facts": as_told(FACTS), "monitoring": {"sex": "female"}}
NUMBERS = [a for a in personal_loan().case_attributes if a.type in ("cents", "integer", "real")]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=12)
    | st.sampled_from(["verified", "rent", "2001-02-03", "2999-01-01", "20010203", 10**60, -1, 0, 1e308, 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([a.name for a in personal_loan().attributes]) | st.text(max_size=6)


@st.composite
def spoiled_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Valid bodies in which some fields were replaced, added or taken away."""
    body = json.loads(json.dumps(draw(valid_bodies())))
    for _ in range(draw(st.integers(1, 4))):
        section = draw(st.sampled_from(["applicant", "facts", "monitoring", ""]))
        target = body if section == "" else body.get(section)
        if not isinstance(target, dict):
            continue
        fields = {"": ["applicant", "facts", "monitoring"], "applicant": list(APPLICANT)}.get(section)
        name = draw(names if fields is None else st.sampled_from(fields) | st.text(max_size=6))
        if draw(st.booleans()):
            target.pop(name, None)
        else:
            target[name] = draw(json_values)
    return body


def problems_of(body: object, as_of: date = AS_OF) -> dict[str, str]:
    """Code by pointer."""
    raw = body if isinstance(body, bytes) else raw_of(body)
    problems = personal_door().read_application(raw, as_of)
    assert isinstance(problems, tuple)
    assert 1 <= len(problems) <= PROBLEMS_MAX
    return {problem.pointer: problem.code for problem in problems}


def with_fact(name: str, value: object) -> dict[str, Any]:
    return {**BODY, "facts": {**as_told(FACTS), name: value}}


@given(valid_bodies())
def test_a_body_and_its_natural_values_are_the_same_facts(body: dict[str, Any]) -> None:
    told = personal_door().read_application(raw_of(body), AS_OF)
    assert isinstance(told, Told)
    natural = {
        name: date.fromisoformat(value) if name == "earliest_credit_on" and value else value
        for name, value in body["facts"].items()
    }
    assert personal_door().check_facts(natural, AS_OF) == told.facts


@given(spoiled_bodies() | json_values)
def test_the_quick_way_accepts_exactly_what_the_slow_way_finds_no_fault_with(body: Any) -> None:
    raw = raw_of(body)
    told = personal_door().read_application(raw, AS_OF)
    codes = {problem.code for problem in Complaints(personal_loan()).find_problems(raw, AS_OF)}
    assert ("BODY_INVALID" in codes) == isinstance(told, Told)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_bytes_of_any_kind_end_in_problems(raw: bytes) -> None:
    problems = personal_door().read_application(raw, AS_OF)
    assert isinstance(problems, tuple)
    assert all(isinstance(problem, Problem) for problem in problems)


@examples(300)
@given(st.data())
def test_a_valid_body_with_bytes_flipped_never_breaks_the_door(data: st.DataObject) -> None:
    raw = bytearray(raw_of(BODY))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    told = personal_door().read_application(bytes(raw), AS_OF)
    codes = {problem.code for problem in Complaints(personal_loan()).find_problems(bytes(raw), AS_OF)}
    assert ("BODY_INVALID" in codes) == isinstance(told, Told)


@given(spoiled_bodies() | json_values)
def test_a_part_is_wrong_exactly_where_the_whole_is_wrong_and_not_missing(body: Any) -> None:
    raw = raw_of(body)
    told = personal_door().read_application(raw, AS_OF)
    expected = () if isinstance(told, Told) else tuple(problem for problem in told if problem.code != "FIELD_MISSING")
    assert personal_door().find_wrong(raw, AS_OF) == expected


@given(spoiled_bodies())
def test_facts_without_a_name_are_read_as_those_of_an_application_are(body: dict[str, Any]) -> None:
    nameless = {"facts": body.get("facts")}
    read = personal_door().read_facts(raw_of(nameless), AS_OF)
    whole = personal_door().read_application(raw_of({"applicant": APPLICANT, **nameless}), AS_OF)
    assert read == (whole.facts if isinstance(whole, Told) else whole)


@given(valid_bodies(), st.data())
def test_parts_of_a_valid_body_in_any_order_merge_to_it(body: dict[str, Any], data: st.DataObject) -> None:
    fields = [(section, name) for section, told in body.items() for name in told or {}]
    told: Any = {}
    for section, name in data.draw(st.permutations(fields)):
        part = {section: {name: body[section][name]}}
        assert personal_door().find_wrong(raw_of(part), AS_OF) == ()
        told = merge_patch(told, part)
    assert personal_door().read_application(raw_of(told), AS_OF) == personal_door().read_application(
        raw_of(body), AS_OF
    )


@given(st.sampled_from(personal_loan().case_attributes), st.sampled_from([None, "", MARK, [MARK], {MARK: 1}, 10**25]))
def test_messages_repeat_no_value(attribute: Attribute, value: object) -> None:
    spoiled = {**with_fact(attribute.name, value), "applicant": {"name": [MARK], MARK: MARK}, MARK: MARK}
    problems = personal_door().read_application(raw_of(spoiled), AS_OF)
    assert MARK not in repr(problems)


@given(valid_bodies())
def test_the_schema_accepts_what_the_door_accepts(body: dict[str, Any]) -> None:
    assert SCHEMA.is_valid(body)


SCHEMA = jsonschema_rs.Draft202012Validator(personal_door().json_schema())


def has_whole_float(value: object) -> bool:
    """JSON Schema takes 1.0 for an integer, the door does not."""
    if isinstance(value, dict):
        return any(has_whole_float(one) for one in value.values())
    return isinstance(value, float) and (not math.isfinite(value) or value == int(value))


@given(spoiled_bodies())
def test_what_the_door_refuses_the_schema_refuses_too(body: dict[str, Any]) -> None:
    told = personal_door().read_application(raw_of(body), AS_OF)
    if isinstance(told, Told):
        assert SCHEMA.is_valid(body)
    elif not has_whole_float(body) and not {p.code for p in told} <= {"DATE_TOO_EARLY", "DATE_TOO_LATE", "TYPE_WRONG"}:
        assert not SCHEMA.is_valid(body)


def test_the_schema_names_no_place_outside_itself() -> None:
    assert "$ref" not in json.dumps(personal_door().json_schema())


def test_identity_facts_and_monitoring_come_apart() -> None:
    told = personal_door().read_application(raw_of(BODY), AS_OF)
    assert isinstance(told, Told)
    assert told.identity.name == APPLICANT["name"]
    assert told.monitoring == Monitoring(codes=(0, -1))


@pytest.mark.parametrize("monitoring", [None, {}])
def test_monitoring_may_be_left_out(monitoring: object) -> None:
    told = personal_door().read_application(raw_of({**BODY, "monitoring": monitoring}), AS_OF)
    assert isinstance(told, Told)
    assert told.monitoring == Monitoring(codes=(-1, -1))


def test_all_problems_come_at_once_in_the_products_order() -> None:
    body = {
        "applicant": {"name": " ", "identity_number": "no"},
        "facts": {"term_months": True, "income_annual_cents": -1, "purpose": "yacht", "sex": "male"},
        "monitoring": {"sex": "unheard of"},
        "extra": 1,
    }
    assert list(problems_of(body).items()) == [
        ("/applicant/name", "TEXT_INVALID"),
        ("/applicant/identity_number", "TEXT_INVALID"),
        ("/applicant/address", "FIELD_MISSING"),
        ("/facts/requested_amount_cents", "FIELD_MISSING"),
        ("/facts/term_months", "TYPE_WRONG"),
        ("/facts/income_annual_cents", "VALUE_BELOW_MINIMUM"),
        ("/facts/purpose", "CATEGORY_UNKNOWN"),
        ("/facts/sex", "FIELD_UNKNOWN"),
        ("/monitoring/sex", "CATEGORY_UNKNOWN"),
        ("/extra", "FIELD_UNKNOWN"),
    ]


@pytest.mark.parametrize("attribute", NUMBERS, ids=lambda a: a.name)
def test_ranges_hold_to_the_last_unit(attribute: Attribute) -> None:
    low, high = attribute.minimum, attribute.maximum
    assert low is not None
    assert high is not None
    whole = attribute.type is not AttributeType.REAL
    step = 1 if whole else 1e-9
    for value, code in (
        (low - step, "VALUE_BELOW_MINIMUM"),
        (low, None),
        (high, None),
        (high + (1 if whole else 1e-6), "VALUE_ABOVE_MAXIMUM"),
    ):
        told = int(value) if whole else value
        natural = personal_door().check_facts({**FACTS, attribute.name: told}, AS_OF)
        if code is None:
            assert isinstance(natural, Facts)
            assert isinstance(personal_door().read_application(raw_of(with_fact(attribute.name, told)), AS_OF), Told)
        else:
            assert isinstance(natural, tuple)
            assert [problem.code for problem in natural] == [code]
            assert problems_of(with_fact(attribute.name, told)) == {f"/facts/{attribute.name}": code}


@pytest.mark.parametrize(
    ("opened_on", "code"),
    [
        (AS_OF + timedelta(days=1), "DATE_TOO_LATE"),
        (AS_OF, None),
        (date(1924, 2, 29), None),
        (date(1924, 2, 28), "DATE_TOO_EARLY"),
    ],
)
def test_dates_count_back_from_the_application(opened_on: date, code: str | None) -> None:
    body = with_fact("earliest_credit_on", opened_on.isoformat())
    if code is None:
        assert isinstance(personal_door().read_application(raw_of(body), AS_OF), Told)
    else:
        assert problems_of(body) == {"/facts/earliest_credit_on": code}


@pytest.mark.parametrize("told", ["20010203", "2001-02-30", "2001-02-03T00:00:00Z", "0000-01-01", "", " 2001-02-03", 5])
def test_dates_have_one_spelling(told: object) -> None:
    assert problems_of(with_fact("earliest_credit_on", told)) == {"/facts/earliest_credit_on": "TYPE_WRONG"}


@pytest.mark.parametrize(
    ("name", "token", "code"),
    [
        ("term_months", "36.0", "TYPE_WRONG"),
        ("term_months", "3.6e1", "TYPE_WRONG"),
        ("term_months", "1e400", "TYPE_WRONG"),
        ("term_months", "9" * 5000, "TYPE_WRONG"),
        ("term_months", "9" * 300, "VALUE_ABOVE_MAXIMUM"),
        ("revolving_utilisation", "1e400", "VALUE_ABOVE_MAXIMUM"),
        ("revolving_utilisation", "9" * 5000, "VALUE_ABOVE_MAXIMUM"),
        ("revolving_utilisation", "-" + "9" * 5000, "VALUE_BELOW_MINIMUM"),
        ("revolving_utilisation", "9" * 399, "VALUE_ABOVE_MAXIMUM"),
        ("revolving_utilisation", "true", "TYPE_WRONG"),
    ],
)
def test_absurd_numbers_are_problems_of_their_field(name: str, token: str, code: str) -> None:
    raw = raw_of(with_fact(name, "TOKEN")).replace(b'"TOKEN"', token.encode())
    assert problems_of(raw) == {f"/facts/{name}": code}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "BODY_NOT_JSON"),
        (b"{", "BODY_NOT_JSON"),
        (b"\xff\xfe", "BODY_NOT_JSON"),
        (b'\xef\xbb\xbf{"facts": {}}', "BODY_NOT_JSON"),
        (raw_of(BODY) + b" x", "BODY_NOT_JSON"),
        (b'{"facts": NaN}', "BODY_NOT_JSON"),
        (b'{"facts": -Infinity}', "BODY_NOT_JSON"),
        (b"[" * 60_000, "BODY_TOO_DEEP"),
        (b'{"facts":' * 7_000, "BODY_TOO_DEEP"),
        (b" " * (BODY_BYTES_MAX + 1), "BODY_TOO_LARGE"),
        (b"[]", "TYPE_WRONG"),
        (b"null", "TYPE_WRONG"),
    ],
    ids=range(12),
)
def test_bodies_that_are_no_application_have_one_problem(raw: bytes, code: str) -> None:
    assert problems_of(raw) == {"": code}


def test_a_body_at_the_limit_is_read() -> None:
    raw = raw_of(BODY)
    assert isinstance(personal_door().read_application(raw + b" " * (BODY_BYTES_MAX - len(raw)), AS_OF), Told)


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        (b'"term_months":', b'"term_months": 36, "term_months":', "/facts/term_months"),
        (b'"sex":', b'"sex": "male", "sex":', "/monitoring/sex"),
        (b'"address":', b'"address": "x", "address":', "/applicant/address"),
        (b'"facts":', b'"facts": {}, "facts":', "/facts"),
    ],
)
def test_names_that_stand_twice_are_refused(old: bytes, new: bytes, pointer: str) -> None:
    assert problems_of(raw_of(BODY).replace(old, new)) == {pointer: "FIELD_REPEATED"}


def test_sections_that_are_missing_name_all_that_they_should_hold() -> None:
    found = problems_of({})
    assert found["/applicant"] == found["/facts"] == "FIELD_MISSING"
    assert found["/applicant/address"] == found["/facts/income_annual_cents"] == "FIELD_MISSING"


def test_sections_must_be_objects() -> None:
    body = {"applicant": [], "facts": "x", "monitoring": 3}
    assert problems_of(body) == dict.fromkeys(["/applicant", "/facts", "/monitoring"], "TYPE_WRONG")


def test_names_unlike_ours_are_not_repeated() -> None:
    assert problems_of(with_fact("Anna Example/~", 1)) == {"/facts": "FIELD_UNKNOWN"}


def test_the_list_of_problems_is_bounded() -> None:
    body = {**BODY, "facts": {**as_told(FACTS), **{f"stray_{i}": i for i in range(3000)}}}
    problems = personal_door().read_application(raw_of(body), AS_OF)
    assert isinstance(problems, tuple)
    assert len(problems) == PROBLEMS_MAX
    assert problems[-1].code == "PROBLEMS_MORE"


@pytest.mark.parametrize("escape", [r"\ud800", r"\udc00", r"\ud800\ud800"])
def test_halves_of_characters_are_refused(escape: str) -> None:
    raw = raw_of({**BODY, "applicant": {**APPLICANT, "name": "HALF"}}).replace(b"HALF", escape.encode())
    assert problems_of(raw) == {"/applicant/name": "TEXT_INVALID"}


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("name", "x", True),
        ("name", "", False),
        ("name", "\t ", False),
        ("name", "x" * 200, True),
        ("name", "x" * 201, False),
        ("address", "x" * 500, True),
        ("address", "x" * 501, False),
        ("identity_number", "1234", True),
        ("identity_number", "12 3./-4", True),
        ("identity_number", "123-", False),
        ("identity_number", "1" * 64, True),
        ("identity_number", "1" * 65, False),
        ("identity_number", "1234\n", False),
        ("identity_number", "١٢٣٤", False),
        ("identity_number", 1234, False),
    ],
)
def test_identities_have_bounds(field: str, value: object, accepted: bool) -> None:
    body = {**BODY, "applicant": {**APPLICANT, field: value}}
    told = personal_door().read_application(raw_of(body), AS_OF)
    assert isinstance(told, Told) is accepted
    assert SCHEMA.is_valid(body) is accepted


def test_a_zero_has_no_sign() -> None:
    raw = raw_of(with_fact("revolving_utilisation", -0.0))
    told = personal_door().read_application(raw, AS_OF)
    natural = personal_door().check_facts({**FACTS, "revolving_utilisation": -0.0}, AS_OF)
    assert isinstance(told, Told)
    assert repr(told.facts) == repr(natural)
    assert "-0.0" not in repr(told.facts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("earliest_credit_on", "2001-02-03"),
        ("earliest_credit_on", datetime(2001, 2, 3)),  # noqa: DTZ001 a time where a day is due
        ("term_months", 36.0),
        ("term_months", True),
        ("revolving_utilisation", float("nan")),
        ("revolving_utilisation", "0.5"),
        ("purpose", 3),
        ("purpose", ["car"]),
    ],
)
def test_natural_values_have_one_type_each(name: str, value: object) -> None:
    problems = personal_door().check_facts({**FACTS, name: value}, AS_OF)
    assert isinstance(problems, tuple)
    assert [(problem.pointer, problem.code) for problem in problems] == [(f"/facts/{name}", "TYPE_WRONG")]


def test_natural_values_name_all_problems_in_the_products_order() -> None:
    values = {
        "earliest_credit_on": date(2999, 1, 1),
        "term_months": None,
        "sex": "male",
        "stray": 1,
        "purpose": "yacht",
    }
    problems = personal_door().check_facts(values, AS_OF)
    assert isinstance(problems, tuple)
    assert [problem.pointer.removeprefix("/facts/") for problem in problems] == [
        "requested_amount_cents",
        "term_months",
        "income_annual_cents",
        "purpose",
        "earliest_credit_on",
        "sex",
        "stray",
    ]


@given(valid_facts())
def test_facts_hold_the_values_in_product_order(facts: dict[str, Any]) -> None:
    kept = personal_door().check_facts(facts, AS_OF)
    assert isinstance(kept, Facts)
    cents = [a for a in personal_loan().case_attributes if a.type is AttributeType.CENTS]
    told = [facts.get(a.name) for a in cents]
    assert list(kept.cents) == [0 if v is None and a.missing == "zero" else v for a, v in zip(cents, told, strict=True)]


@pytest.mark.parametrize(
    ("day", "years", "expected"),
    [
        (date(2024, 2, 29), 1, date(2023, 2, 28)),
        (date(2024, 2, 29), 0, date(2024, 2, 29)),
        (date(2024, 2, 29), 4, date(2020, 2, 29)),
        (date(2024, 3, 1), 1, date(2023, 3, 1)),
        (date(2024, 3, 1), 2023, date(1, 3, 1)),
        (date(2024, 3, 1), 2024, date.min),
    ],
)
def test_years_are_counted_by_the_calendar(day: date, years: int, expected: date) -> None:
    assert years_before(day, years) == expected


@given(products(), natural_facts())
def test_doors_of_other_products_read_the_same_facts_both_ways(product: Product, natural: dict[str, Any]) -> None:
    door = Door(product)
    told = door.read_application(raw_of({"applicant": APPLICANT, "facts": as_told(natural)}), AS_OF_DAY)
    assert isinstance(told, Told)
    assert told.facts == door.check_facts(natural, AS_OF_DAY)
    assert told.monitoring == Monitoring()


def test_categories_and_dates_may_be_required() -> None:
    kinds = (AttributeType.CATEGORY, AttributeType.DATE)
    attributes = tuple(
        replace(a, missing=MissingRule.REFUSE) if a.type in kinds and a.legal is Legal.FREE else a
        for a in personal_loan().attributes
    )
    door = Door(replace(personal_loan(), attributes=attributes))
    facts = {name: told for name, told in as_told(FACTS).items() if name not in ("purpose", "earliest_credit_on")}
    problems = door.read_application(raw_of({"applicant": APPLICANT, "facts": facts}), AS_OF)
    assert isinstance(problems, tuple)
    assert [(problem.pointer, problem.code) for problem in problems] == [
        ("/facts/purpose", "FIELD_MISSING"),
        ("/facts/earliest_credit_on", "FIELD_MISSING"),
    ]
    assert isinstance(door.read_application(raw_of(BODY), AS_OF), Told)


def test_a_real_that_is_missing_as_zero_is_zero() -> None:
    attributes = tuple(
        replace(a, missing=MissingRule.ZERO) if a.name == "all_utilisation" else a for a in personal_loan().attributes
    )
    door = Door(replace(personal_loan(), attributes=attributes))
    told = door.read_application(raw_of(with_fact("all_utilisation", None)), AS_OF)
    assert isinstance(told, Told)
    assert 0.0 in told.facts.reals
    assert told.facts == door.check_facts({**FACTS, "all_utilisation": None}, AS_OF)


TAPE_NAMES = [a.name for a in personal_loan().case_attributes if not a.is_required]


def door_with_tape_facts(told_by_tapes: set[str]) -> Door:
    attributes = tuple(
        replace(a, source=Source.TAPE) if a.name in told_by_tapes else a for a in personal_loan().attributes
    )
    return Door(replace(personal_loan(), attributes=attributes))


@given(valid_facts(), st.sets(st.sampled_from(TAPE_NAMES)))
def test_an_application_without_the_tapes_facts_is_one_in_which_they_are_missing(
    facts: dict[str, Any], told_by_tapes: set[str]
) -> None:
    door = door_with_tape_facts(told_by_tapes)
    rest = {name: told for name, told in facts.items() if name not in told_by_tapes}
    told = door.read_application(raw_of({"applicant": APPLICANT, "facts": as_told(rest)}), AS_OF)
    assert isinstance(told, Told)
    assert told.facts == door.check_facts(rest, AS_OF)
    again = door.read_application(
        raw_of({"applicant": APPLICANT, "facts": tell_facts(door.product, told.facts)}), AS_OF
    )
    assert isinstance(again, Told)
    assert again.facts == told.facts


@given(st.sampled_from(TAPE_NAMES))
def test_a_fact_that_only_tapes_tell_is_taken_from_a_tape_and_refused_from_an_applicant(name: str) -> None:
    door = door_with_tape_facts({name})
    facts = door.check_facts(FACTS, AS_OF)
    assert isinstance(facts, Facts)
    assert facts == personal_door().check_facts(FACTS, AS_OF)
    problems = door.read_application(raw_of(BODY), AS_OF)
    assert isinstance(problems, tuple)
    assert [(problem.pointer, problem.code) for problem in problems] == [(f"/facts/{name}", "FIELD_UNKNOWN")]
    assert name not in door.json_schema()["properties"]["facts"]["properties"]
    assert name not in tell_facts(door.product, facts)
