from collections.abc import Callable
from typing import Any

import pytest

from instant_credit.application.document import load_product
from instant_credit.application.product import Product
from instant_credit.errors import Refused
from instant_credit.policy.checks import check_policy, find_problems, load_policy
from instant_credit.policy.document import decode_policy, encode_policy, read_policy
from instant_credit.record.shipped import list_starters, read_starter
from tests.policy.documents import changed, product, shipped

Document = dict[str, Any]


def test_every_shipped_policy_passes_its_checks() -> None:
    for name in list_starters("policies"):
        policy = read_policy(read_starter("policies", name))
        assert (
            load_policy(read_starter("policies", name), load_product(read_starter("products", policy.product)))
            == policy
        )


def test_a_policy_survives_its_canonical_form() -> None:
    raw = encode_policy(shipped())
    assert decode_policy(raw) == shipped()
    assert encode_policy(decode_policy(raw)) == raw


def test_a_policy_that_says_nothing_of_offers_keeps_its_bytes_and_one_that_does_says_so() -> None:
    assert b"offer_days" not in encode_policy(shipped())
    told = changed(set_("offer_days", value=14))
    assert told.offer_days == 14
    assert decode_policy(encode_policy(told)) == told


@pytest.mark.parametrize("days", [0, 91])
def test_an_offer_is_open_for_1_to_90_days(days: int) -> None:
    with pytest.raises(Exception, match="offer_days"):
        changed(set_("offer_days", value=days))


@pytest.mark.parametrize("text", ["", "not toml [", "name = 1", 'schema_version = 2\nname = "x"'])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="policy document"):
        read_policy(text)


def test_a_field_that_takes_something_else_is_told_with_where_that_stands() -> None:
    text = read_starter("policies", "personal_loan").replace('outcome = "decline"', 'outcome = "maybe"', 1)
    with pytest.raises(
        Refused, match=r"'maybe' - at `\$\.rules\[0\]\.outcome`; schemas/policy\.json lists what each field takes"
    ):
        read_policy(text)


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b'{"schema_version":1}'])
def test_bytes_that_are_no_policy_are_refused(raw: bytes) -> None:
    with pytest.raises(Refused, match="policy document"):
        decode_policy(raw)


FORMS = [
    {},
    {"attribute": "bankruptcies"},
    {"attribute": "bankruptcies", "compare": "above"},
    {"attribute": "bankruptcies", "variable": "term", "compare": "above", "value": 1},
    {"compare": "above", "value": 1},
    {"all": [], "any": []},
    {"all": [{"attribute": "bankruptcies", "compare": "above", "value": 1}], "value": 1},
    {"attribute": "bankruptcies", "compare": "beyond", "value": 1},
    {"attribute": "bankruptcies", "compare": "above", "value": 1, "unless": 2},
]


@pytest.mark.parametrize("when", FORMS)
def test_a_condition_of_no_known_form_is_refused(when: Document) -> None:
    with pytest.raises(Exception, match=r"rules\[0\]\.when"):
        changed(lambda document: document["rules"][0].update(when=when))


def set_(*path: Any, value: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def drop(*path: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return change


def when(condition: Document, **more: Any) -> Callable[[Document], None]:
    return lambda document: document["rules"][0].update(when=condition, **more)


def compare(name: str, how: str, value: Any, kind: str = "attribute") -> Callable[[Document], None]:
    return when({kind: name, "compare": how, "value": value})


def add_rule(**rule: Any) -> Callable[[Document], None]:
    return lambda document: document["rules"].append({"outcome": "decline", "reason": "ACCOUNT_PAST_DUE", **rule})


FAULTS: list[tuple[Callable[[Document], None], str]] = [
    (set_("product", value="mortgage"), "written for product mortgage"),
    (set_("rules", 1, "id", value="account_past_due"), "the id is used twice"),
    (set_("rules", 1, "id", value="amount_above_limit"), "the id is the name of an exit"),
    (lambda d: d["examples"].append(d["examples"][0]), "stands twice"),
    # Reasons.
    (set_("reasons", 1, "code", value="ACCOUNT_PAST_DUE"), "reason ACCOUNT_PAST_DUE stands twice"),
    (set_("reasons", 1, "number", value=201), "reason number 201 stands twice"),
    (set_("reasons", 0, "number", value=101), "number 101 is INCOME_LOW in the product"),
    (set_("reasons", 0, "code", value="INCOME_LOW"), "INCOME_LOW has another number or family"),
    (set_("reasons", 0, "text", value="{pd} is high"), "only placeholder"),
    (drop("reasons", 0, "text_missing"), "it needs text_missing"),
    (drop("reasons", 0), "rule account_past_due: reason ACCOUNT_PAST_DUE is not among the reasons"),
    # Exits.
    (set_("exits", "evidence_missing", value="NOWHERE"), "exit evidence_missing: reason NOWHERE is not among"),
    (set_("exits", "score_unavailable", value="AMOUNT_ABOVE_LIMIT"), "no value is shown"),
    (drop("exits", "debt_above_affordable"), "is due exactly when"),
    (drop("affordability", "debt_to_income"), "is due exactly when"),
    # Cut-offs and amounts.
    (set_("cut_offs", "approve_below_ppm", value=300_000), "approve_below_ppm must lie between 1 and"),
    (set_("cut_offs", "decline_from_ppm", value=1_000_000), "decline_from_ppm must lie between"),
    (set_("amounts", "offer_cents_min", value=50_001), "positive multiple"),
    (set_("amounts", "offer_cents_min", value=0), "positive multiple"),
    (set_("amounts", "terms_months", value=[36, 36, 48, 60]), "terms_months must differ"),
    (set_("amounts", "terms_months", value=[3, 36, 48, 60]), "a term of 3 months is outside"),
    (drop("amounts"), "amounts: is due, because the product has the roles amount and term"),
    # Grid.
    (set_("grid", 0, "pd_from_ppm", value=10), "grid band 1: gap"),
    (set_("grid", 1, "pd_from_ppm", value=59_999), "grid band 2: overlap"),
    (set_("grid", 1, "pd_below_ppm", value=60_000), "grid band 2: is empty"),
    (set_("grid", 0, "apr_ppm", value=360_000), "apr_ppm is above apr_ppm_max"),
    (set_("grid", 0, "apr_ppm", value=109_901), "grid band 2: apr_ppm falls while pd rises"),
    (set_("grid", 0, "amount_cents_max", value=3_000_000), "grid band 2: amount_cents_max rises with pd"),
    (set_("grid", 5, "amount_cents_max", value=47_500), "below offer_cents_min"),
    (set_("grid", 5, "amount_cents_max", value=1_200_001), "must be a multiple of offer_cents_step"),
    (set_("grid", 0, "term_months_max", value=48), "grid band 2: term_months_max rises with pd"),
    (set_("grid", 5, "term_months_max", value=47), "must be one of terms_months"),
    (drop("grid", 5), "grid: ends at 220000"),
    # Affordability.
    (set_("affordability", "debt_to_income", "attribute", value="dti"), "dti is not among the product's"),
    (set_("affordability", "debt_to_income", "attribute", value="sex"), "sex is not among the product's"),
    (set_("affordability", "debt_to_income", "attribute", value="bankruptcies"), "must be a real in percent or ratio"),
    # Names and types of operands.
    (compare("bankrupcies", "above", 1), "attribute bankrupcies is not in product"),
    (compare("nothing", "above", 1, "variable"), "variable nothing is not in product"),
    (compare("sex", "is", "male"), "sex is prohibited"),
    (compare("earliest_credit_on", "above", 1), "compare a span_months variable"),
    (compare("home", "is", 1, "variable"), "compare the attribute it is made of"),
    (compare("bankruptcies", "above", 1.5), "give a whole number"),
    (compare("bankruptcies", "above", "one"), "give a whole number"),
    (compare("bankruptcies", "in", ["one"]), "is a number; compare with"),
    (compare("revolving_utilisation", "above", "much"), "give a number"),
    (compare("revolving_utilisation", "above", float("inf")), "give a number"),
    (compare("revolving_utilisation", "is", 1.0), "is a real; compare with"),
    (compare("purpose", "above", "car"), "is a category; compare with is or in"),
    (compare("purpose", "is", "boat"), "purpose has no category boat"),
    (compare("purpose", "in", ["car", "boat"]), "purpose has no category boat"),
    (compare("purpose", "is", ["car"]), "is takes one category"),
    (compare("purpose", "in", "car"), "is takes one category"),
    (compare("purpose", "in", []), "is takes one category"),
    (when({"total": ["bankruptcies"], "compare": "above", "value": 1}), "bankruptcies is no money"),
    # The law.
    (compare("income_annual_cents", "below", 1_000_000), "income counts in full"),
    (compare("assistance_income_annual_cents", "below", 1), "income counts in full"),
    # Direction.
    (compare("bankruptcies", "below", 1), "hits better values and spares worse"),
    (compare("bankruptcies", "is", 1), "hits better values"),
    (when({"not": {"attribute": "bankruptcies", "compare": "at_least", "value": 1}}), "hits better values"),
    (compare("file_age_months", "above", 12, "variable"), "file_age_months is worse when lower"),
    (compare("instalment_at_reference_cents", "below", 100_000, "variable"), "is worse when higher"),
    # Reach.
    (compare("bankruptcies", "above", 100), "account_past_due: is unreachable, no applicant"),
    (compare("bankruptcies", "at_least", 0), "hits every applicant"),
    (
        add_rule(id="again", when={"attribute": "inquiries_6m", "compare": "above", "value": 10}),
        "again: is unreachable, rule inq",
    ),
    (
        add_rule(id="again", outcome="refer", when={"attribute": "bankruptcies", "compare": "above", "value": 4}),
        "again: is unreachable, rule bankruptcy_recent_or_repeated",
    ),
    # What a reason shows.
    (set_("rules", 4, "shows", value="tax_liens"), "shows tax_liens, which its condition does not read"),
    (drop("rules", 4, "shows"), "name one in shows"),
    # Examples.
    (set_("examples", 0, "expect", "outcome", value="decline"), "outcome is approve, expected decline"),
    (set_("examples", 3, "expect", "reasons", value=[]), "reasons are ['INSTALMENT_ABOVE_AFFORDABLE'], expected []"),
    (set_("examples", 0, "expect", "instalment_cents", value=1), "instalment_cents is 32734, expected 1"),
    (set_("examples", 0, "as_of", value="2026-02-30"), "as_of must be a date"),
    (set_("examples", 0, "facts", "earliest_credit_on", value="long ago"), "earliest_credit_on must be a date"),
    (drop("examples", 0, "facts", "term_months"), "/facts/term_months"),
    (set_("examples", 0, "facts", "shoe_size", value=44), "/facts/shoe_size"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_a_faulty_policy_is_refused_by_name(change: Callable[[Document], None], message: str) -> None:
    with pytest.raises(Refused) as refused:
        check_policy(changed(change), product())
    assert message in str(refused.value)


def test_all_faults_are_named_at_once() -> None:
    def change(document: Document) -> None:
        document["grid"][0]["pd_from_ppm"] = 10
        document["rules"][0]["when"] = {"attribute": "sex", "compare": "is", "value": "male"}
        document["rules"][0]["reason"] = "NOWHERE"
        document["exits"]["evidence_missing"] = "NOWHERE"

    assert len(find_problems(changed(change), product())) == 4


def test_a_condition_too_complex_to_check_is_refused() -> None:
    def either(name: str) -> Document:
        values = [{"attribute": name, "compare": "is", "value": value} for value in (7, 9, 11, 13)]
        return {"any": values}

    names = ["open_accounts", "total_accounts", "installment_accounts", "installment_accounts_active", "term_months"]
    problems = find_problems(changed(when({"all": [either(name) for name in names]}, shows="term_months")), product())
    assert any("too complex" in text for text in problems)


def test_a_heavier_rule_may_follow_a_lighter_one() -> None:
    def change(document: Document) -> None:
        condition = {"attribute": "tax_liens", "compare": "at_least", "value": 3}
        document["rules"].append({"id": "liens", "when": condition, "outcome": "decline", "reason": "ACCOUNT_PAST_DUE"})

    assert not find_problems(changed(change), product())


def with_birth_date() -> Product:
    text = read_starter("products", "personal_loan")
    birth = """
[[attributes]]
name = "born_on"
type = "date"
unit = "years"
minimum = 0
maximum = 120
legal = "age"
description = "Day of birth."

"""
    span = """
[[variables]]
name = "age_months"
op = "span_months"
of = ["born_on", "as_of"]
unit = "months"
in_model = false
direction = "decreasing"
why = "Capacity to contract."

"""
    head, tail = text.split("[[variables]]", 1)
    return load_product(head + birth + span + "[[variables]]" + tail)


def asks_age(how: str, months: int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        condition = {"variable": "age_months", "compare": how, "value": months}
        document["rules"].append({"id": "minor", "when": condition, "outcome": "decline", "reason": "MINOR"})
        document["reasons"].append({"code": "MINOR", "number": 298, "family": "age", "text": "Not of age."})

    return change


def test_age_may_be_asked_for_the_capacity_to_contract() -> None:
    assert not find_problems(changed(asks_age("below", 216)), with_birth_date())


@pytest.mark.parametrize(("how", "months"), [("below", 253), ("above", 780), ("at_most", 216)])
def test_age_may_be_asked_for_nothing_else(how: str, months: int) -> None:
    problems = find_problems(changed(asks_age(how, months)), with_birth_date())
    assert any("capacity to contract" in text for text in problems)


def test_a_debt_that_is_not_better_when_lower_is_refused() -> None:
    text = read_starter("products", "personal_loan")
    head, tail = text.split('name = "debt_to_income_percent"', 1)
    neutral = head + 'name = "debt_to_income_percent"' + tail.replace('better = "lower"\nactionable = true\n', "", 1)
    problems = find_problems(shipped(), load_product(neutral))
    assert "affordability: debt_to_income_percent must be better when lower" in problems


def test_a_rule_on_a_category_has_no_better_side() -> None:
    def change(document: Document) -> None:
        document["rules"][0].update(when={"attribute": "purpose", "compare": "in", "value": ["car", "house"]})
        document["rules"][0]["unknown"] = "pass"
        document["examples"] = document["examples"][:1]

    assert not find_problems(changed(change), product())
