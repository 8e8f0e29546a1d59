"""What a readout is made of: sums, counts and hazards of one experiment as they were frozen, and what happened to its arms. Pure.

Nothing here is a row of anyone, and nothing changes once its day is over, so that whoever reads the same experiment as of the same day, today
or in a year, reads the same. Cohorts are told by the day of first exposure: units that became ripe for a metric on a day were exposed first
`ripe_days` before. Here days are counted from the start, so that an array's place is the cohort's day.
"""

from datetime import date, timedelta
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import astuple
from numpy.typing import NDArray

from instant_credit.canonical import ContentHash, encode_canonical, hash_content
from instant_credit.experiment.plan import Plan
from instant_credit.experiment.sums import SUMS_FIELDS, Sums
from instant_credit.experiment.surrogate import Cells
from instant_credit.experiment.survival import Lives

EVERYBODY: Final = -1
"""The segment that holds everybody; its category is -1 too. Within a segment category -1 is a missing answer."""
MISSING: Final = "missing"

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class DaySums(Struct, frozen=True, kw_only=True):
    """Sums of an arm's units that became ripe on a day; metric, segment and arm by their places in the plan.

    `hits` is the sum over units of the share of their applications that the metric is true of; 0 for money.
    """

    metric: int
    segment: int = EVERYBODY
    category: int = -1
    arm: int
    ripe_on: date
    sums: Sums
    hits: float = 0.0


class DayCounts(Struct, frozen=True, kw_only=True):
    """What a day exposed in an arm and segment.

    Attributes
    ----------
    units : exposed for the first time; `unit_offers` of them were offered something then.
    units_in_two_arms : that had drawn another arm before.
    """

    day_on: date
    segment: int = EVERYBODY
    category: int = -1
    arm: int
    applications: int = 0
    offers: int = 0
    without_pd: int = 0
    offered_cents: int = 0
    reserved_cents: int = 0
    units: int = 0
    unit_offers: int = 0
    units_in_two_arms: int = 0


class Hazard(Struct, frozen=True, kw_only=True):
    """Units of an arm whose month after the first exposure was over and known about: at risk in it, and defaulted in it."""

    metric: int
    arm: int
    month: int
    at_risk: int
    defaults: int


class Closing(Struct, frozen=True, kw_only=True):
    """From when on an arm takes nobody, and the guardrail that closed it; None = somebody did."""

    arm: str
    closed_on: date
    guardrail: str | None = None


class Frozen(Struct, frozen=True, kw_only=True):
    """An experiment as of the end of a day.

    Attributes
    ----------
    until : the last frozen day that is read; None = no day is frozen yet.
    started_on : the day of the start (UTC).
    ended_on : the day on which exposure ended; None = it had not by `until`.
    closings : arms that were closed by `until`.
    categories : of each segment of the plan, its categories' names by position.
    hazards : added up over the days until `until`.
    vintages, signals : for the surrogate index: ripe vintages of the past, oldest first, and the units of each arm by cell; empty where none
        are kept.
    """

    experiment: int
    plan_hash: ContentHash
    started_on: date
    until: date | None
    ended_on: date | None = None
    closings: tuple[Closing, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    sums: tuple[DaySums, ...] = ()
    counts: tuple[DayCounts, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    vintages: tuple[Cells, ...] = ()
    signals: tuple[Cells, ...] = ()

    @property
    def hash(self) -> str:
        """Names all of it."""
        return hash_content(encode_canonical(self))

    @property
    def days(self) -> int:
        """Days from the start to `until`, both of them."""
        return 0 if self.until is None else max(0, (self.until - self.started_on).days + 1)

    def place(self, day: date) -> int:
        """Days since the start."""
        return (day - self.started_on).days

    def day(self, place: int) -> date:
        """The day so many days after the start."""
        return self.started_on + timedelta(days=place)

    def last_entry_on(self, plan: Plan) -> date:
        """The last day on which somebody new may have come in."""
        planned = self.day(plan.entry_days_max)
        return planned if self.ended_on is None else min(planned, self.ended_on)

    def closed_place(self, arm: str) -> int:
        """The first day since the start on which an arm does not compare any more: it was closed on it; `days` where it was not."""
        places = [self.place(one.closed_on) for one in self.closings if one.arm == arm]
        return max(0, min(places, default=self.days))

    def moments(self, plan: Plan, metric: int) -> Floats:
        """Moments of everybody's ripe units float64[cohort days, arms, 10], and their hits as the 11th; by day of first exposure."""
        ripe_days = plan.metrics[metric].ripe_days
        found = np.zeros((max(0, self.days - ripe_days), len(plan.arms), len(SUMS_FIELDS) + 1))
        for one in self.sums:
            if one.metric == metric and one.segment == EVERYBODY:
                found[self.place(one.ripe_on) - ripe_days, one.arm] += (*astuple(one.sums), one.hits)
        return found

    def count(self, plan: Plan, field: str, segment: int = EVERYBODY, category: int = -1) -> Counts:
        """A field of the counts by day and arm, int64[days, arms]."""
        found = np.zeros((self.days, len(plan.arms)), dtype=np.int64)
        for one in self.counts:
            if one.segment == segment and one.category == category:
                found[self.place(one.day_on), one.arm] += getattr(one, field)
        return found

    def lives(self, metric: int, arm: int) -> Lives:
        """Units of an arm by month after their first exposure, the declined and the repaid among them."""
        own = {one.month: one for one in self.hazards if (one.metric, one.arm) == (metric, arm)}
        months = range(1, max(own, default=0) + 1)
        return Lives(
            at_risk=tuple(own[month].at_risk if month in own else 0 for month in months),
            defaults=tuple(own[month].defaults if month in own else 0 for month in months),
        )

    def cells(self, plan: Plan) -> list[tuple[int, int, str]]:
        """Every category of every segment of the plan, the missing answer first: segment, category, name."""
        return [
            (segment, category, f"{told.attribute}={name}")
            for segment, (told, names) in enumerate(zip(plan.segments, self.categories, strict=True))
            for category, name in enumerate((MISSING, *names), start=-1)
        ]
