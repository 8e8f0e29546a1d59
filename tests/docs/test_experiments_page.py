"""The page on experiments against the code."""

import json
import tomllib

import click
import msgspec

from instant_credit.access.actors import Scope
from instant_credit.api.experiment_readouts import readout_paths
from instant_credit.api.experiments_document import experiment_paths
from instant_credit.commands import cli
from instant_credit.experiment import plan as plan_document
from instant_credit.experiment.assignment import SCHEME, Assignment, Draw, Exposure
from instant_credit.experiment.boundaries import GROWTH_MIN
from instant_credit.experiment.caps import check_caps, read_caps
from instant_credit.experiment.layers import Layer, Layers
from instant_credit.experiment.plan import Plan, Unit, read_plan
from instant_credit.experiment.planner import inflate, plan_duration
from instant_credit.record.experiments import ExperimentEventKind
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.underwriting.experiment_moves import RUNNING_MAX
from instant_credit.underwriting.experiment_resources import (
    EVENTS_MAX,
    LISTED_MAX,
    ExperimentStatus,
    Ramped,
    Started,
    Stopped,
)
from instant_credit.underwriting.experiment_states import ExperimentState
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
    exec(code, shown)  # noqa: S102 a fence of our own documentation
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


def test_every_state_event_and_field_of_a_life_is_documented() -> None:
    words = {*ExperimentState, *ExperimentEventKind}
    fields = {field for one in (ExperimentStatus, Started, Ramped, Stopped) for field in one.__struct_fields__}
    assert not (words | fields) - list_words(PAGE) - {"planned_by_kind"}
    page = read_page(PAGE)
    assert f"{RUNNING_MAX:,} experiments run at once" in page
    assert f"the last {EVENTS_MAX:,}, oldest first" in page
    assert f"the newest {LISTED_MAX:,}, without" in page


def test_every_route_and_scope_of_experiments_is_documented() -> None:
    page = read_page(PAGE)
    for path, item in (experiment_paths() | readout_paths()).items():
        short = path.replace("/v1/experiments/{experiment}/", ".../")
        for method in item:
            assert f"`{method.upper()} {short}`" in page, path
    scopes = {scope.value for scope in Scope if scope.name.startswith("EXPERIMENTS_")}
    assert scopes
    for name in (PAGE, "operations.md", "api.md"):
        assert not scopes - list_words(name), name


def test_every_command_of_experiments_and_layers_is_documented() -> None:
    page = read_page(PAGE)
    for group in ("experiment", "layers"):
        found = cli.get_command(click.Context(cli), group)
        assert isinstance(found, click.Group)
        assert not {name for name in found.commands if f"instant-credit {group} {name}" not in page}
