"""Assignment: shares hold, nobody changes arm, layers know nothing of each other."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency, chisquare

from instant_credit.errors import Refused
from instant_credit.experiment.assignment import Assigned, Assignment, Draw, Running, Table, assign, find_room
from instant_credit.experiment.plan import Part, Plan, Unit
from instant_credit.units import PPM
from tests.budget import examples
from tests.experiment.plans import layers, layers_with, plan, running, split

CHANCE_MIN = 1e-4
units = st.binary(min_size=1, max_size=64)


@st.composite
def shares(draw: st.DrawFn) -> list[int]:
    """Shares of two to eight arms that add up to the whole."""
    cuts = sorted(draw(st.sets(st.integers(1, PPM - 1), min_size=1, max_size=7)))
    return [after - before for before, after in pairwise([0, *cuts, PPM])]


def people(count: int, salt: int = 0) -> list[bytes]:
    return [salt.to_bytes(4, "big") + number.to_bytes(28, "big") for number in range(count)]


def give(table: Table, unit: bytes) -> Assigned:
    return assign(table, unit, unit, lambda experiment: True)


def arm_of(assigned: Assigned, layer: int = 0) -> str | None:
    return assigned.assignment.exposures[layer].arm if assigned.assignment.exposures else None


def prices(**changes: object) -> Plan:
    arms = split(500_000, 500_000)
    arms[1]["overlay"] = {"prices": "cd" * 32}
    return plan(**({"name": "prices_down", "layer": "prices", "arms": arms} | changes))


@examples(10)
@given(shares(), st.integers(0, 1000))
def test_shares_hold(parts: list[int], salt: int) -> None:
    table = Table(layers(), [running(plan(arms=split(*parts)))])
    arms = [arm_of(give(table, one)) for one in people(2_000, salt)]
    counts = [arms.count(f"arm_{at}") for at in range(len(parts))]
    assert sum(counts) == 2_000
    expected = [2_000 * part / PPM for part in parts]
    large = [at for at, one in enumerate(expected) if one >= 5]
    rest = [at for at in range(len(parts)) if at not in large]
    found = [counts[at] for at in large] + ([sum(counts[at] for at in rest)] if rest else [])
    wanted = [expected[at] for at in large] + ([sum(expected[at] for at in rest)] if rest else [])
    if len(found) > 1 and wanted[-1] >= 1:
        assert chisquare(found, wanted).pvalue > 1e-7


@examples(50)
@given(shares(), units)
def test_propensities_are_the_shares_and_add_up_to_one(parts: list[int], unit: bytes) -> None:
    one = running(plan(arms=split(*parts)))
    (lane, *_) = Table(layers(), [one]).lanes
    exposed = [pair[0] for pair in lane.claims[0].exposed if pair is not None]
    assert sum(exposure.propensity_ppm for exposure in exposed) == PPM
    assigned = give(Table(layers(), [one]), unit).assignment
    assert assigned.exposures[0] in exposed
    assert assigned.propensity_ppm == assigned.exposures[0].propensity_ppm


@examples(50)
@given(st.lists(st.integers(0, PPM), min_size=2, max_size=5).map(sorted), units)
def test_a_ramp_only_adds_and_changes_nobodys_arm(coverages: list[int], unit: bytes) -> None:
    whole = arm_of(give(Table(layers(), [running()]), unit))
    arms = [arm_of(give(Table(layers(), [running(coverage=one)]), unit)) for one in coverages]
    entered = [arm is not None for arm in arms]
    assert entered == sorted(entered)
    assert {arm for arm in arms if arm is not None} <= {whole}


def test_a_ramp_keeps_the_split() -> None:
    for coverage in (50_000, 300_000):
        table = Table(layers(), [running(plan(arms=split(800_000, 200_000)), coverage=coverage)])
        arms = [arm for one in people(20_000) if (arm := arm_of(give(table, one)))]
        assert chisquare([len(arms), 20_000 - len(arms)], [coverage / 50, 20_000 - coverage / 50]).pvalue > CHANCE_MIN
        assert chisquare([arms.count("arm_0"), arms.count("arm_1")], [0.8 * len(arms), 0.2 * len(arms)]).pvalue > 1e-4


def test_layers_are_independent() -> None:
    both = Table(layers(), [running(plan(arms=split(300_000, 700_000))), running(prices())])
    table = np.zeros((2, 2))
    for one in people(10_000):
        risk, price = give(both, one).assignment.exposures
        table[int(risk.arm[-1]), int(price.arm[-1])] += 1
    assert chi2_contingency(table).pvalue > CHANCE_MIN


def test_experiments_that_follow_each_other_in_the_same_buckets_are_independent() -> None:
    first, second = (Table(layers(), [running(plan(name=name))]) for name in ("first", "second"))
    table = np.zeros((2, 2))
    for one in people(10_000):
        table[arm_of(give(first, one)) == "control", arm_of(give(second, one)) == "control"] += 1
    assert chi2_contingency(table).pvalue > CHANCE_MIN


def test_draws_of_one_unit_are_uniform_and_uncorrelated() -> None:
    draws = [Draw("tests.salt", purpose, "x", Unit.PERSON) for purpose in ("layer", "coverage", "arm", "exploration")]
    rows = np.array([[draw(one) for draw in draws] for one in people(10_000)])
    for column in rows.T:
        counts = np.bincount(column // 50_000, minlength=20)
        assert chisquare(counts).pvalue > CHANCE_MIN
    correlations = np.corrcoef(rows.T)[np.triu_indices(4, 1)]
    assert chi2.sf(10_000 * float((correlations**2).sum()), 6) > CHANCE_MIN


@examples(20)
@given(st.randoms(use_true_random=False), units)
def test_the_order_of_experiments_is_irrelevant(random: Random, unit: bytes) -> None:
    risk = [running(plan(name=f"e_{at}"), start=at * 100_000, end=at * 100_000 + 90_000) for at in range(10)]
    every: list[Running] = [*risk, running(prices())]
    shuffled = random.sample(every, len(every))
    assert give(Table(layers(), shuffled), unit) == give(Table(layers(), every), unit)


@examples(20)
@given(st.integers(0, 500_000), units)
def test_a_holdout_is_never_exposed_and_told(holdout: int, unit: bytes) -> None:
    held = layers_with("risk", holdout_ppm=holdout)
    assigned = give(Table(held, [running(start=holdout)]), unit).assignment
    is_held = Draw(held.salt, "layer", "risk", Unit.PERSON)(unit) < holdout
    assert assigned.holdouts == (("risk",) if is_held else ())
    assert bool(assigned.exposures) is not is_held
    assert assigned.propensity_ppm == (PPM if is_held else 500_000)


@examples(30)
@given(units)
def test_a_unit_is_in_one_experiment_of_a_layer_at_most(unit: bytes) -> None:
    claims = [running(plan(name=f"e_{at}"), start=at * 200_000, end=at * 200_000 + 150_000) for at in range(5)]
    assigned = give(Table(layers(), claims), unit).assignment
    bucket = Draw(layers().salt, "layer", "risk", Unit.PERSON)(unit)
    wanted = [one.experiment for one in claims if one.from_ppm <= bucket < one.to_ppm]
    assert [one.experiment for one in assigned.exposures] == wanted


def test_eligibility_is_asked_of_one_experiment_a_layer_and_before_anything_is_drawn() -> None:
    asked: list[str] = []

    def refuse(experiment: str) -> bool:
        asked.append(experiment)
        return False

    one, other = running(coverage=0), running(prices())
    table = Table(layers(), [one, other])
    assert assign(table, b"person", None, refuse) == Assigned(Assignment())
    assert asked == [one.experiment, other.experiment]


def test_without_a_key_there_is_no_challenger() -> None:
    by_household = layers_with("risk", unit="household", holdout_ppm=500_000)
    table = Table(by_household, [running(plan(unit="household"), start=500_000)])
    assert assign(table, b"person", None, lambda experiment: True) == Assigned(Assignment())
    assert assign(Table(layers(), [running()]), None, b"household", lambda experiment: True).arms == ()


def test_a_household_shares_its_arm() -> None:
    table = Table(layers_with("risk", unit="household"), [running(plan(unit="household"))])
    arms = {arm_of(assign(table, one, b"home", lambda experiment: True)) for one in people(20)}
    assert len(arms) == 1
    assert arms != {None}


def test_a_closed_arm_takes_nobody_and_the_others_keep_theirs() -> None:
    before, after = Table(layers(), [running()]), Table(layers(), [running(closed=("challenger",))])
    for one in people(50):
        arm = arm_of(give(before, one))
        assert arm_of(give(after, one)) == (None if arm == "challenger" else arm)


def test_arms_of_several_layers_lie_over_the_release_together() -> None:
    table = Table(layers(), [running(plan(arms=split(1, PPM - 1))), running(prices(arms=_all_but_one()))])
    assigned = give(table, b"person")
    assert set(assigned.overlay) == {Part.MODEL, Part.PRICES}
    assert assigned.assignment.propensity_ppm == 999_998
    assert [one.reach_ppm for one in assigned.assignment.exposures] == [PPM, PPM]


def _all_but_one() -> list[dict[str, object]]:
    arms = split(1, PPM - 1)
    arms[1]["overlay"] = {"prices": "cd" * 32}
    return arms


def test_reach_is_the_claim_times_its_coverage() -> None:
    table = Table(layers(), [running(start=200_000, end=600_000, coverage=250_000)])
    reached = [found for one in people(2_000) if (found := give(table, one).assignment.exposures)]
    assert {found[0].reach_ppm for found in reached} == {100_000}
    assert chisquare([len(reached), 2_000 - len(reached)], [200, 1_800]).pvalue > CHANCE_MIN


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ([running(plan(layer="colours"))], "layer colours is not among risk, prices, texts"),
        ([running(plan(unit="household"))], "is drawn by household, its layer risk by person"),
        (
            [running(start=100_000, end=500_001), running(start=500_000)],
            r"\[500000, 1000000\) of layer risk .* begin at 500001",
        ),
        ([running(start=99_999)], "begin at 100000 here, after the holdout"),
        ([running(start=100_000, end=PPM + 1)], "end by 1000000"),
        ([running(start=200_000, end=200_000)], r"\[200000, 200000\)"),
        ([running(start=100_000, coverage=PPM + 1)], "coverage 1000001 ppm"),
        ([running(start=100_000, coverage=-1)], "coverage -1 ppm"),
    ],
)
def test_experiments_that_do_not_fit_are_refused(claims: list[Running], told: str) -> None:
    with pytest.raises(Refused, match=told):
        Table(layers_with("risk", holdout_ppm=100_000), claims)


def test_room_is_found_beside_holdout_and_running_experiments() -> None:
    held = layers_with("risk", holdout_ppm=100_000).layer("risk")
    claims = [running(start=200_000, end=300_000), running(start=900_000, end=PPM), running(prices())]
    assert find_room(held, claims, 100_000) == (100_000, 200_000)
    assert find_room(held, claims, 100_001) == (300_000, 400_001)
    with pytest.raises(Refused, match="600001 ppm of its units are asked for, and 600000 ppm are free in one piece"):
        find_room(held, claims, 600_001)
    with pytest.raises(Refused, match="0 ppm of its units"):
        find_room(held, claims, 0)
