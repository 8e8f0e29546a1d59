"""Plans and layers as documents: what is told is read, what cannot be is refused with its field and a way out."""

import tomllib
from typing import Any

import pytest
from msgspec import UNSET

from instant_credit.application.document import load_product
from instant_credit.errors import Refused
from instant_credit.experiment.checks import check_layers, check_plan
from instant_credit.experiment.layers import decode_layers, encode_layers, read_layers
from instant_credit.experiment.plan import Part, Plan, decode_plan, encode_plan, read_plan
from instant_credit.record.shipped import list_starters, read_starter
from tests.experiment.plans import PLAN, RELEASE, layers, layers_with, plan, product, split

PRICES_PLAN = "personal_loan_prices"
PROFIT = {
    "name": "profit",
    "kind": "profit",
    "direction": "higher",
    "window_days": 365,
    "cents_max": 1_000_000,
}
MONEY: dict[str, Any] = {
    "primary": "profit",
    "metrics": [PROFIT, PLAN["metrics"][1]],
    "effect_min": 3_000.0,
    "expect": {"applications_per_day": 10, "mean": 6_000.0, "deviation": 90_000.0},
}


@pytest.mark.parametrize("name", list_starters("products"))
def test_every_shipped_product_has_layers(name: str) -> None:
    found = read_layers(read_starter("layers", name))
    shipped = load_product(read_starter("products", name))
    check_layers(found, shipped)
    owned = {part for layer in found.layers for part in layer.parts}
    assert owned == (set(Part) if shipped.is_priced else set(Part) - {Part.PRICES})
    assert decode_layers(encode_layers(found)) == found


def test_the_shipped_plan_fits_the_shipped_product_and_layers() -> None:
    found = read_plan(read_starter("plans", PRICES_PLAN))
    check_plan(found, product(), read_layers(read_starter("layers", "personal_loan")))
    assert decode_plan(encode_plan(found)) == found
    assert found.primary_metric.name == "profit"
    assert found.control.name == "control"


def test_the_shipped_plan_says_every_field_but_looks() -> None:
    told = set(tomllib.loads(read_starter("plans", PRICES_PLAN)))
    assert told == set(Plan.__struct_fields__)


def test_what_is_left_out_of_a_plan_is_left_out_of_its_bytes() -> None:
    raw = encode_plan(plan(early=None))
    assert b'"early":' not in raw
    assert b'"eligible":' not in raw
    assert b"cents_max" not in raw


def test_arrears_count_from_thirty_and_ninety_days_by_default() -> None:
    metrics = [
        *PLAN["metrics"],
        {"name": "very_late", "kind": "default", "direction": "lower", "window_days": 1, "days_past_due": 120},
        {"name": "approved", "kind": "approval", "direction": "higher", "window_days": 0},
    ]
    found = plan(metrics=metrics)
    assert [metric.past_due_days for metric in found.metrics] == [90, 30, 120, 0]
    assert found.metric("bad").ripe_days == 395
    assert found.metric("late").days_past_due is UNSET


def test_names_that_are_not_there_are_key_errors() -> None:
    with pytest.raises(KeyError):
        plan().metric("x")
    with pytest.raises(KeyError):
        plan().arm("x")
    with pytest.raises(KeyError):
        layers().layer("x")
    assert plan().arm("challenger").overlay == {Part.MODEL: RELEASE}


def metric(**changes: Any) -> list[dict[str, Any]]:
    return [PLAN["metrics"][0] | changes, PLAN["metrics"][1]]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"arms": split(500_000, 499_999)}, "arms: share_ppm of all arms add up to 1000000"),
        ({"arms": split(1_000_000)}, "length >= 2"),
        ({"arms": [*split(500_000), *split(500_000)]}, "arm arm_0: is there twice; keep one"),
        ({"arms": list(reversed(PLAN["arms"]))}, "arm challenger: the first arm is the control and takes no overlay"),
        ({"metrics": [*PLAN["metrics"], PLAN["metrics"][0]]}, "metric bad: is there twice"),
        ({"segments": [{"attribute": "purpose"}] * 2}, "segment purpose: is there twice"),
        ({"guardrails": [PLAN["guardrails"][0]] * 2}, "guardrail loss_budget: is there twice"),
        ({"primary": "profit"}, "primary: profit is not among the metrics"),
        ({"early": "bad"}, "early: bad has to be one of the metrics, and not the primary"),
        ({"early": "x"}, "early: x has to be one of the metrics"),
        ({"units_max": 20_001}, "the last of looks_units is units_max, 20001"),
        ({"stopping": {"kind": "group_sequential"}}, "looks_units stand with group_sequential, and only there"),
        ({"stopping": {"kind": "confidence_sequence", "looks_units": [2]}}, "looks_units stand with group_sequential"),
        ({"stopping": PLAN["stopping"] | {"looks_units": [9, 9, 20_000]}}, "looks_units rise from look to look"),
        ({"metrics": metric(cents_max=1)}, "metric bad: leave cents_max out; default is a share"),
        ({"metrics": metric(kind="loss")}, "metric bad: say in cents_max what one application may bring at most"),
        ({"metrics": metric(kind="approval", days_past_due=1)}, "leave days_past_due out; approval knows no arrears"),
        ({"effect_min": 1.0}, "effect_min: the primary is a share, so the difference is below 1"),
        ({"effect_min": float("inf")}, "effect_min and expect.mean are finite"),
        ({"expect": PLAN["expect"] | {"mean": 1.0}}, "expect: mean of a share lies between 0 and 1"),
        ({"expect": PLAN["expect"] | {"deviation": 1.0}}, "deviation stands with a primary metric in cents"),
        (MONEY | {"early": None, "expect": PLAN["expect"]}, "deviation stands with a primary metric in cents"),
        (MONEY | {"expect": MONEY["expect"] | {"deviation": float("inf")}}, "deviation is a finite number of cents"),
        (
            {"guardrails": [{"kind": "error_rate", "bound": 1_000_001}]},
            "guardrail error_rate: bound is at most 1000000",
        ),
        ({"guardrails": [{"kind": "loss_budget", "bound": 1}]}, "guardrail loss_budget needs lost_ppm"),
        (
            {"guardrails": [{"kind": "error_rate", "bound": 1, "lost_ppm": 1}]},
            "guardrail error_rate does not take lost_ppm",
        ),
        (
            {"guardrails": [{"kind": "impact_ratio", "bound": 1, "attribute": "sex"}]},
            "guardrail impact_ratio needs reference",
        ),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        plan(**changes)


def test_layers_that_share_a_part_or_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match="part model: is there twice"):
        layers_with("texts", parts=["texts", "model"])
    with pytest.raises(ValueError, match="layer risk: is there twice"):
        layers_with("texts", name="risk")


@pytest.mark.parametrize(
    ("read", "text"),
    [(read_plan, "a = 1"), (read_layers, "a = 1"), (read_plan, "= 1"), (read_layers, "= 1")],
)
def test_what_is_no_document_is_refused(read: Any, text: str) -> None:
    with pytest.raises(Refused, match=r"^(plan|layers): "):
        read(text)


@pytest.mark.parametrize("decode", [decode_plan, decode_layers])
def test_bytes_that_are_no_document_are_refused(decode: Any) -> None:
    with pytest.raises(Refused, match=r"^(plan|layers): "):
        decode(b'{"name":1}')


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"product": "credit_card"}, "product: it is written for credit_card, not for personal_loan"),
        ({"layer": "colours"}, "layer: colours is not among risk, prices, texts"),
        ({"layer": "prices"}, "arm challenger: part model does not belong to layer prices, which owns prices"),
        ({"unit": "household"}, "unit: layer risk is drawn by person, so the plan is too"),
        (
            {"metrics": metric(direction="higher")},
            "metric bad: default is better when lower; say direction = lower",
        ),
        (
            MONEY | {"metrics": [PROFIT | {"direction": "lower"}, PLAN["metrics"][1]]},
            "metric profit: profit is better when higher",
        ),
        ({"metrics": metric(window_days=80, lag_days=10)}, "early: late is ripe after 90 days, bad after 90"),
        ({"effect_min": 0.081}, "effect_min: bad would go from 0.08 to -0.001; a share stays between 0 and 1"),
        (
            {"metrics": metric(kind="approval", direction="higher"), "effect_min": 0.93},
            "effect_min: bad would go from 0.08 to 1.01",
        ),
        (MONEY | {"expect": MONEY["expect"] | {"mean": -1_000_001.0}}, "expect: mean lies beyond cents_max"),
        (MONEY | {"expect": MONEY["expect"] | {"deviation": 1e7}}, "expect: deviation lies beyond cents_max"),
        (MONEY | {"effect_min": 2_000_001.0}, "effect_min: no two applications differ by more than twice cents_max"),
        (
            {"stopping": PLAN["stopping"] | {"looks_units": [10_000, 10_049, 20_000]}},
            "stopping: from look to look looks_units grow by at least 0.5%",
        ),
        ({"guardrails": []}, "guardrails: arms replace model, policy or prices, so add one of kind loss_budget"),
        (
            MONEY | {"metrics": [PROFIT], "early": None},
            "guardrail early_delinquency: add a metric of this kind",
        ),
        (
            {"guardrails": [PLAN["guardrails"][0], PLAN["guardrails"][2] | {"attribute": "purpose"}]},
            r"attribute purpose is not carried for monitoring \(sex, ethnicity\)",
        ),
        (
            {"guardrails": [PLAN["guardrails"][0], PLAN["guardrails"][2] | {"reference": "cat"}]},
            "reference cat is not among female, male, other",
        ),
        ({"segments": [{"attribute": "sex"}]}, "segment sex: is prohibited"),
        ({"segments": [{"attribute": "colour"}]}, "segment colour: is not an attribute of product personal_loan"),
        ({"segments": [{"attribute": "term_months"}]}, "segment term_months: is no category"),
    ],
)
def test_a_plan_that_does_not_fit_its_product_and_layers_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused, match=told):
        check_plan(plan(**changes), product(), layers())


def test_everything_wrong_is_told_at_once() -> None:
    wrong = plan(layer="colours", segments=[{"attribute": "colour"}], guardrails=[])
    with pytest.raises(Refused) as caught:
        check_plan(wrong, product(), layers())
    assert len(str(caught.value).splitlines()) == 4


def test_layers_of_another_product_are_refused() -> None:
    with pytest.raises(Refused, match="layer: the layers are those of product consumer_loan, not of personal_loan"):
        check_plan(plan(), product(), layers(product="consumer_loan"))
    with pytest.raises(Refused, match="product: it is written for consumer_loan, not for personal_loan"):
        check_layers(layers(product="consumer_loan"), product())


def test_a_product_without_terms_has_neither_prices_nor_a_loss_budget() -> None:
    card = load_product(read_starter("products", "credit_card"))
    with pytest.raises(Refused, match="layer prices: take prices out of its parts"):
        check_layers(layers(product="credit_card"), card)
    with pytest.raises(Refused, match="guardrail loss_budget: leave it out"):
        check_plan(plan(product="credit_card"), card, layers(product="credit_card"))


def test_a_second_control_needs_no_loss_budget() -> None:
    arms = [PLAN["arms"][0], {"name": "again", "share_ppm": 500_000}]
    check_plan(plan(arms=arms, guardrails=[]), product(), layers())
