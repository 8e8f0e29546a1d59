"""What a search looks through and what it tells. The space is six of CatBoost's parameters, each between bounds.

================  ===================  ==============================================================================
parameter         bounds               why these
================  ===================  ==============================================================================
iterations        100 to 1,200 by 50   fewer trees than 100 rank no tape best; each tree is a look-up for every score
depth             3 to 8               a tree of depth 2 joins two variables only; 8 is the deepest that is served
learning_rate     0.005 to 0.3, log    below, 1,200 trees do not get far enough; above, single loans steer trees
l2_leaf_reg       1 to 200, log        CatBoost's own is 3; few bad loans and weak variables want more
variables_share   0.2 to 1             the share that a split may choose from; less of it makes trees differ
loans_share       0.3 to 1             the share that a tree is grown on; CatBoost's own is 0.8, less of it makes trees differ
================  ===================  ==============================================================================

Ratios matter where it says log. The number of borders is not searched: 254 hold every other number of them but for chance. Seed and
threads are what makes a fit repeatable, not what makes it good.
"""

from typing import Final

import msgspec
from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.training.fitting.fit import FitParameters

TRIALS_MAX: Final = 10_000

# A parameter's name and its value.
Point = dict[str, int | float]


class Ended(Struct, frozen=True, kw_only=True):
    """An ended trial: what was tried, the AUC it got, and how long it took."""

    point: Point
    auc: float
    seconds: float


class Bounds(Struct, frozen=True, kw_only=True):
    """From `low` to `high`, both inclusive. Whole numbers where there is a `step`; `is_log` draws ratios evenly."""

    low: int | float
    high: int | float
    step: int | None = None
    is_log: bool = False

    def __post_init__(self) -> None:
        """The whole numbers begin at `low` and end at `high`."""
        if not 0 < self.low <= self.high or (self.step and (self.high - self.low) % self.step):
            raise Refused(f"a search can't go from {self.low} to {self.high}" + f" by {self.step}" * bool(self.step))

    def clip(self, value: float) -> int | float:
        """The value within the bounds that is nearest."""
        inside = min(max(value, self.low), self.high)
        return inside if self.step is None else int(self.low + round((inside - self.low) / self.step) * self.step)

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.low} to {self.high}" + ", log" * self.is_log + f", by {self.step}" * bool(self.step)


class Space(Struct, frozen=True, kw_only=True):
    """Bounds of each parameter."""

    iterations: Bounds = Bounds(low=100, high=1_200, step=50)
    depth: Bounds = Bounds(low=3, high=8, step=1)
    learning_rate: Bounds = Bounds(low=0.005, high=0.3, is_log=True)
    l2_leaf_reg: Bounds = Bounds(low=1.0, high=200.0, is_log=True)
    variables_share: Bounds = Bounds(low=0.2, high=1.0)
    loans_share: Bounds = Bounds(low=0.3, high=1.0)

    @property
    def bounds(self) -> dict[str, Bounds]:
        """By parameter."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    @property
    def told(self) -> dict[str, str]:
        """In words, by parameter."""
        return {name: bounds.told for name, bounds in self.bounds.items()}

    def find(self, parameters: FitParameters) -> Point:
        """The point of the space that is nearest to these parameters."""
        return {name: bounds.clip(getattr(parameters, name)) for name, bounds in self.bounds.items()}

    def holds(self, point: Point) -> bool:
        """Whether a point names every parameter and each lies within its bounds."""
        bounds = self.bounds
        return point.keys() == bounds.keys() and all(bounds[name].clip(value) == value for name, value in point.items())


SPACE: Final = Space()


class SearchOptions(Struct, frozen=True, kw_only=True):
    """How long to search: `trials` at most, and no new one after `minutes` (None = no such bound).

    Where a plan asks for several searches each has so many trials, and they share the minutes equally.
    """

    trials: int
    minutes: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """There is something to do."""
        if not 1 <= self.trials <= TRIALS_MAX:
            raise Refused(f"--search takes 1 to {TRIALS_MAX} trials")
        if self.minutes is not None and not self.minutes > 0:
            raise Refused("--search-minutes must be above 0")
        if self.seed < 0:
            raise Refused("a search's seed must be 0 or more")


class SearchTrial(Struct, frozen=True, kw_only=True):
    """One trial and the inner AUC it got. The first are the presets."""

    number: int
    parameters: FitParameters
    auc: float


class Search(Struct, frozen=True, kw_only=True):
    """A search and its trials in order; `best` is the number of the trial that was taken, `inner` says what they were tested on."""

    options: SearchOptions
    space: dict[str, str]
    inner: str
    trials: tuple[SearchTrial, ...]
    best: int

    @property
    def taken(self) -> SearchTrial:
        """The best trial."""
        return self.trials[self.best]


def set_point(parameters: FitParameters, point: Point) -> FitParameters:
    """These parameters with those of the point instead."""
    return msgspec.structs.replace(parameters, **point)
