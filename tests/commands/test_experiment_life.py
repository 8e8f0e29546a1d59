"""The life of an experiment on the command line, and the layers that it lives in."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.errors import Refused
from instant_credit.experiment.layers import encode_layers, read_layers
from instant_credit.experiment.plan import read_plan
from instant_credit.experiment.planner import plan_duration
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from instant_credit.underwriting.experiment_moves import ExperimentConflict, ExperimentRefused
from tests.lender import documents
from tests.lending import install_release, vary
from tests.underwriting.test_experiment_life import approve

__all__ = ["documents"]
ONE, TWO = ("--by", "staff-1"), ("--by", "staff-2")
WHY = ("--reason", "Enough is known.")
ZEROS = "0" * 64


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, [str(one) for one in arguments], env=environ)

    return run


@pytest.fixture
def other(settings, documents):
    """Hash of an approved release beside the live one."""
    made = vary(documents, "Another policy")

    async def install():
        async with open_record(settings) as record:
            await install_release(record, documents)
            await approve(record, made)

    asyncio.run(install())
    return made.release_hash


@pytest.fixture
def file(other, tmp_path):
    """The shipped plan, with a release for its zeros."""
    path = tmp_path / "plan.toml"
    path.write_text(read_starter("plans", "personal_loan_prices").replace(ZEROS, other), encoding="utf-8")
    return path


def test_an_experiment_that_promotes_nothing_is_concluded(call, file):
    call("experiment", "plan", file, *ONE)
    call("experiment", "start", 1, *TWO)
    ended = call("experiment", "conclude", 1, *ONE, "--verdict", "keep", "--reason", "No better.")
    assert "concluded" in ended.stdout, ended
    assert '"verdict": "keep"' in call("experiment", "show", 1).stdout
    assert call("experiment", "ramp", 1, *ONE, "--coverage", 1_000_000).exception is not None


def test_an_experiment_is_led_from_its_plan_to_its_stop(call, file):
    schedule = plan_duration(read_plan(file.read_text(encoding="utf-8")))
    for _ in range(2):
        planned = call("experiment", "plan", file, *ONE)
        assert planned.exit_code == 0, planned
        assert planned.stdout.startswith("Experiment 1, cheaper_loans of personal_loan: planned, plan ")
        assert planned.stdout.endswith(", waits for a second person to start it\n")
        assert planned.stderr == f"{schedule.words}\n"
    own = call("experiment", "start", 1, *ONE).exception
    assert isinstance(own, ExperimentConflict)
    assert "a second person is needed" in str(own)
    started = call("experiment", "start", 1, *TWO, "--coverage", 50_000, "--reach", 400_000)
    place = "ppm of buckets 0 to 400,000 of layer prices"
    assert started.stdout == f"Experiment 1, cheaper_loans of personal_loan: running, 50,000 {place}\n", started
    assert f"running, 600,000 {place}" in call("experiment", "ramp", 1, *ONE, "--coverage", 600_000).stdout
    assert "1 cheaper_loans: 0 to 400,000" in call("layers", "show", "personal_loan").stdout
    for _ in range(2):
        assert "stopped" in call("experiment", "stop", 1, *ONE, *WHY).stdout
    assert "cheaper_loans" not in call("layers", "show", "personal_loan").stdout
    status = json.loads(call("experiment", "show", 1).stdout)
    assert (status["state"], status["planned_by"], status["coverage_ppm"]) == ("stopped", "staff-1", 600_000)
    moves = [(one["kind"], one["actor_id"], one["reason"]) for one in status["events"]]
    assert moves == [("started", "staff-2", None), ("ramped", "staff-1", None), ("stopped", "staff-1", WHY[1])]


def test_all_of_its_layer_is_exposed_unless_less_is_told_and_one_person_alone_is_named(call, file):
    call("experiment", "plan", file, *ONE)
    started = call("experiment", "start", 1, *ONE, "--single-person")
    assert "running, 1,000,000 ppm of buckets 0 to 1,000,000" in started.stdout
    assert "nobody else looks at it" in started.stderr
    (event,) = json.loads(call("experiment", "show", 1).stdout)["events"]
    assert event["is_single_person"]


def test_the_list_is_of_a_product_and_a_state(call, file):
    assert "No such experiment is planned: plan one" in call("experiment", "list").stdout
    call("experiment", "plan", file, *ONE)
    for filters in ((), ("--product", "personal_loan"), ("--state", "planned")):
        listed = call("experiment", "list", *filters)
        assert "cheaper_loans" in listed.stdout, listed
        assert "planned" in listed.stdout
    assert "No such experiment" in call("experiment", "list", "--state", "running").stdout
    assert json.loads(call("experiment", "list", "--product", "card", "--json").stdout)["experiments"] == []
    call("experiment", "start", 1, *TWO, "--reach", 1_000)
    assert "0 to 1,000" in call("experiment", "list", "--state", "running").stdout


def test_what_is_wrong_with_a_plan_is_told_with_its_place_and_what_to_do(call, file, tmp_path):
    told = call("experiment", "plan", "personal_loan_prices", *ONE).exception
    assert isinstance(told, ExperimentRefused)
    assert f"arm cheaper: prices of release {ZEROS}: no release of this hash is recorded" in str(told)
    told = call("experiment", "plan", tmp_path / "none.toml", *ONE).exception
    assert isinstance(told, Refused)
    assert "none.toml: neither a readable file nor one of the shipped plans: personal_loan_prices" in str(told)
    file.write_text(file.read_text(encoding="utf-8").replace("units_max = 60_000", 'units_max = "many"'))
    told = call("experiment", "plan", file, *ONE).exception
    assert isinstance(told, Refused)
    assert "Expected `int`, got `str` - at `$.units_max`; schemas/plan.json lists" in str(told)


@pytest.mark.parametrize(
    "move", [("start", *ONE), ("ramp", *ONE, "--coverage", 10), ("stop", *ONE, *WHY), ("show",)], ids=lambda one: one[0]
)
def test_an_experiment_that_nobody_planned_is_refused_with_the_command_that_lists_them(call, move):
    told = call("experiment", move[0], 7, *move[1:]).exception
    assert isinstance(told, Refused)
    assert str(told).startswith("no experiment 7 is planned: `instant-credit experiment list`")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("start", 0, *ONE), "0 is not in the range"),
        (("start", 1), "Missing option '--by'"),
        (("start", 1, *ONE, "--coverage", 1_000_001), "1<=x<=1000000"),
        (("start", 1, *ONE, "--reach", 0), "1<=x<=1000000"),
        (("ramp", 1, *ONE), "Missing option '--coverage'"),
        (("stop", 1, *ONE), "Missing option '--reason'"),
        (("stop", 1, "--by", "Ada Example", *WHY), "must be 1 to 64 letters"),
        (("stop", 1, *ONE, "--reason", "a\nb"), "on one line"),
        (("list", "--state", "open"), "is not one of 'planned', 'running'"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_read(call, arguments, words):
    told = call("experiment", *arguments)
    assert told.exit_code == 2
    assert words in told.output.replace("\n", " ")


@pytest.mark.usefixtures("other")
def test_layers_are_put_and_shown(call, tmp_path):
    shown = call("layers", "show", "personal_loan")
    assert "personal_loan.1" in shown.stdout, shown
    path = tmp_path / "layers.toml"
    text = read_starter("layers", "personal_loan")
    path.write_text(text.replace("personal_loan.1", "another.salt"), encoding="utf-8")
    for _ in range(2):
        put = call("layers", "put", path, *ONE)
        assert put.stdout.startswith("Layers of personal_loan: "), put
    own = put.stdout.split()[-1]
    assert call("layers", "show", "personal_loan").stdout.startswith(f"personal_loan: {own}, salt another.salt\n")
    told = json.loads(call("layers", "show", "personal_loan", "--json").stdout)
    layers = read_layers(path.read_text(encoding="utf-8"))
    assert told == json.loads(encode_layers(layers))


def test_layers_that_running_experiments_live_in_are_kept(call, file, tmp_path):
    call("experiment", "plan", file, *ONE)
    call("experiment", "start", 1, *TWO)
    path = tmp_path / "layers.toml"
    text = read_starter("layers", "personal_loan")
    path.write_text(text.replace("personal_loan.1", "another.salt"), encoding="utf-8")
    told = call("layers", "put", path, *ONE).exception
    assert isinstance(told, ExperimentConflict)
    assert "stop them first" in str(told)


def test_layers_of_what_nobody_offers_are_refused_with_what_to_do(call):
    told = call("layers", "put", "personal_loan", *ONE).exception
    assert isinstance(told, Refused)
    assert str(told).startswith("no release of personal_loan is live")
    told = call("layers", "show", "no_loan").exception
    assert isinstance(told, Refused)
    assert "`instant-credit layers put`" in str(told)
