import msgspec
import pytest

from instant_credit.errors import Refused
from instant_credit.training.fitting.choice import list_presets
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.fitting.space import SPACE, TRIALS_MAX, Bounds, SearchOptions, Space, set_point


def test_every_bound_is_a_lawful_parameter():
    for end in ("low", "high"):
        point = {name: getattr(bounds, end) for name, bounds in SPACE.bounds.items()}
        parameters = set_point(FitParameters(), point)
        assert msgspec.convert(msgspec.to_builtins(parameters), FitParameters) == parameters
        assert SPACE.holds(point)


@pytest.mark.parametrize("loans", [1_000, 30_000, 1_000_000])
def test_the_presets_lie_in_the_space(loans):
    for preset in list_presets(loans, threads=2).values():
        assert set_point(preset, SPACE.find(preset)) == preset


def test_what_lies_outside_is_moved_to_the_nearest_bound():
    far = FitParameters(iterations=5_000, depth=1, learning_rate=1.0, l2_leaf_reg=0.0)
    point = SPACE.find(far)
    assert (point["iterations"], point["depth"], point["learning_rate"], point["l2_leaf_reg"]) == (1_200, 3, 0.3, 1.0)
    assert SPACE.find(FitParameters(iterations=333))["iterations"] == 350


@pytest.mark.parametrize(
    "change", [{"depth": 9}, {"iterations": 101}, {"learning_rate": 0.31}, {"l2_leaf_reg": 0.5}, {"seed": 3}]
)
def test_a_point_outside_is_told_from_one_inside(change):
    inside = SPACE.find(FitParameters())
    assert SPACE.holds(inside)
    assert not SPACE.holds({**inside, **change})
    assert not SPACE.holds({name: value for name, value in inside.items() if name != "depth"})


def test_the_space_is_told_in_words():
    assert SPACE.told["depth"] == "3 to 8, by 1"
    assert SPACE.told["learning_rate"] == "0.005 to 0.3, log"
    assert Space(depth=Bounds(low=2, high=4, step=2)).told["depth"] == "2 to 4, by 2"


@pytest.mark.parametrize("bounds", [{"low": 2, "high": 1}, {"low": 0, "high": 1}, {"low": 1, "high": 4, "step": 2}])
def test_bounds_that_hold_nothing_are_refused(bounds):
    with pytest.raises(Refused, match="a search can't go from"):
        Bounds(**bounds)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trials": 0}, "1 to 10000 trials"),
        ({"trials": TRIALS_MAX + 1}, "1 to 10000 trials"),
        ({"trials": 1, "minutes": 0.0}, "--search-minutes must be above 0"),
        ({"trials": 1, "minutes": float("nan")}, "--search-minutes must be above 0"),
        ({"trials": 1, "seed": -1}, "seed must be 0 or more"),
    ],
)
def test_options_that_ask_for_nothing_are_refused(options, words):
    with pytest.raises(Refused, match=words):
        SearchOptions(**options)
