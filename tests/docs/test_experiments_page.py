"""The page on experiments against the code."""

import json
import tomllib

import msgspec

from instant_credit.experiment import plan as plan_document
from instant_credit.experiment.assignment import SCHEME, Assignment, Draw, Exposure
from instant_credit.experiment.boundaries import GROWTH_MIN
from instant_credit.experiment.caps import check_caps, read_caps
from instant_credit.experiment.layers import Layer, Layers
from instant_credit.experiment.plan import Plan, Unit, read_plan
from instant_credit.experiment.planner import inflate, plan_duration
from instant_credit.record.shipped import list_starters, read_starter
from tests.docs.test_examples import ROOT, list_fences, list_structs, list_words, read_page
from tests.experiment.plans import plan, product

PAGE = "experiments.md"


def test_every_field_of_plans_layers_and_assignments_is_documented() -> None:
    structs = [*list_structs(plan_document), Layer, Layers, Assignment, Exposure]
    fields = {field for struct in structs for field in struct.__struct_fields__}
    assert not fields - list_words(PAGE) - {"exploration"}


def test_every_word_that_a_plan_may_say_is_documented() -> None:
    kinds = (plan_document.MetricKind, plan_document.GuardrailKind, plan_document.StoppingKind, plan_document.Part)
    words = {one.value for kind in (*kinds, plan_document.Direction, Unit) for one in kind}
    assert not words - list_words(PAGE)


def test_every_shipped_plan_and_every_shipped_layers_document_is_named() -> None:
    shipped = {f"{kind}/{name}.toml" for kind in ("plans", "layers") for name in list_starters(kind)}
    assert shipped
    assert not {path for path in shipped if path not in read_page(PAGE)}
    assert set(list_starters("layers")) == set(list_starters("products"))


def test_the_arms_shown_are_arms() -> None:
    body, caps = list_fences(read_page(PAGE), "toml")
    assert check_caps(read_caps(caps), product()) == ()
    arms = msgspec.convert(tomllib.loads(body)["arms"], list[plan_document.Arm])
    assert plan(layer="prices", arms=tomllib.loads(body)["arms"]).arms == tuple(arms)


def test_the_vectors_shown_are_the_published_ones_and_the_code_shown_draws_them() -> None:
    (vectors,) = list_fences(read_page(PAGE), "json")
    published = (ROOT / "tests" / "experiment" / "assignment_vectors.json").read_text(encoding="utf-8")
    assert vectors == published
    (code,) = list_fences(read_page(PAGE), "python")
    shown: dict[str, object] = {}
    exec(code, shown)  # noqa: S102  the page's own example
    draw = shown["draw"]
    assert callable(draw)
    for one in json.loads(vectors):
        told = [one[name] for name in ("salt", "purpose", "scope", "kind")]
        unit = bytes.fromhex(one["unit"])
        assert draw(*told, unit) == one["draw"]
        assert Draw(told[0], told[1], told[2], Unit(told[3]))(unit) == one["draw"]
    assert SCHEME in code


def test_the_figures_of_the_planner_are_the_ones_that_it_says() -> None:
    shipped: Plan = read_plan(read_starter("plans", "personal_loan_prices"))
    (shown,) = list_fences(read_page(PAGE), "text")
    assert shown.split() == plan_duration(shipped).words.split()
    page = read_page(PAGE)
    assert f"a confidence sequence {inflate(shipped):.2f} times as many at 5% and 80%" in page
    assert f"rising by at least {GROWTH_MIN:.1%}" in page
