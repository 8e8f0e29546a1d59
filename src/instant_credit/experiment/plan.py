"""The plan of an experiment: what is tried on whom, what counts as better, and when that is said. Pure.

A plan is written in TOML, checked against its product and layers (`checks.py`) and named by the hash of its canonical JSON. It is locked when
the experiment starts, so nothing that decides the verdict can be chosen after the outcomes are seen. The law of the document:

- The first arm is the control: the live release as it is. Each other arm lays parts of other releases over it.
- Every metric is per application that was assigned, approved or not (intention to treat): a declined one brings 0. Approval, take-up,
  early delinquency and default are shares; loss and profit are cents, bounded by `cents_max`.
- A unit is ripe for a metric `window_days + lag_days` after its first exposure; before that it is not looked at.
- What is looked at beside the primary metric (segments, the early metric, guardrails) is declared here or not looked at.
"""

from enum import StrEnum
from math import isfinite
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from instant_credit.application.product import Name, Text
from instant_credit.canonical import UNREADABLE, ContentHash, encode_canonical
from instant_credit.errors import Refused
from instant_credit.policy.document import Condition
from instant_credit.units import PPM

SharePpm = Annotated[int, Meta(ge=1, le=1_000_000)]
Days = Annotated[int, Meta(ge=0, le=1_100)]
PAST_DUE_DAYS: Final = {"early_delinquency": 30, "default": 90}
"""Days past due from which a loan counts, by kind of metric, where a plan doesn't say them."""


class Unit(StrEnum):
    """What is assigned to an arm as one: a person, or a household with all of its applications."""

    PERSON = "person"
    HOUSEHOLD = "household"


class Part(StrEnum):
    """What an arm may replace of the live release."""

    MODEL = "model"
    POLICY = "policy"
    PRICES = "prices"
    TEXTS = "texts"


class MetricKind(StrEnum):
    """What is measured of an application that was assigned: shares, and two in cents."""

    APPROVAL = "approval"
    TAKE_UP = "take_up"
    EARLY_DELINQUENCY = "early_delinquency"
    DEFAULT = "default"
    LOSS = "loss"
    PROFIT = "profit"

    @property
    def is_money(self) -> bool:
        """Whether it is in cents; else it is a share."""
        return self in (MetricKind.LOSS, MetricKind.PROFIT)


class Direction(StrEnum):
    """Which way a metric is better for the lender."""

    HIGHER = "higher"
    LOWER = "lower"


class StoppingKind(StrEnum):
    """How it is looked: at any time, or at looks that were planned."""

    CONFIDENCE_SEQUENCE = "confidence_sequence"
    GROUP_SEQUENTIAL = "group_sequential"


class GuardrailKind(StrEnum):
    """What stops an arm before there is a verdict."""

    LOSS_BUDGET = "loss_budget"
    EARLY_DELINQUENCY = "early_delinquency"
    APPROVAL_RATE = "approval_rate"
    IMPACT_RATIO = "impact_ratio"
    ERROR_RATE = "error_rate"
    LATENCY_P99 = "latency_p99"


class Arm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One arm: its share of the experiment's units, and which parts of which releases lie over the live one.

    `overlay` says of each part the release that it is taken from. It is empty in the control; another arm without one is a second control,
    which shows that the machinery finds no difference where there is none.
    """

    name: Name
    share_ppm: SharePpm
    overlay: Annotated[dict[Part, ContentHash], Meta(max_length=4)] = {}


class PlanMetric(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that is measured.

    Attributes
    ----------
    window_days : days after the first exposure within which what happens counts.
    lag_days : days after the window until what happened in it is known.
    days_past_due : early_delinquency and default: from when a loan counts; 30 and 90 where it is left out.
    cents_max : loss and profit: what one application may bring at most, gained or lost. What lies beyond is counted as that.
    """

    name: Name
    kind: MetricKind
    direction: Direction
    window_days: Days
    lag_days: Days = 0
    days_past_due: Annotated[int, Meta(ge=1, le=360)] | UnsetType = UNSET
    cents_max: Annotated[int, Meta(ge=1, le=10**12)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Bounds where it is money, days past due where it is arrears."""
        if self.kind.is_money and self.cents_max is UNSET:
            raise ValueError(f"metric {self.name}: say in cents_max what one application may bring at most")
        if not self.kind.is_money and self.cents_max is not UNSET:
            raise ValueError(f"metric {self.name}: leave cents_max out; {self.kind} is a share")
        if self.days_past_due is not UNSET and self.kind not in PAST_DUE_DAYS:
            raise ValueError(f"metric {self.name}: leave days_past_due out; {self.kind} knows no arrears")

    @property
    def past_due_days(self) -> int:
        """Days past due from which a loan counts; 0 for a metric that knows no arrears."""
        return PAST_DUE_DAYS.get(self.kind, 0) if self.days_past_due is UNSET else self.days_past_due

    @property
    def ripe_days(self) -> int:
        """Days from a unit's first exposure until it may be looked at."""
        return self.window_days + self.lag_days


class Stopping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a verdict may be said, and how often it may be wrong.

    Attributes
    ----------
    looks_units : group_sequential: at how many ripe units over all arms it is looked, rising, the last at `units_max`.
    alpha_ppm : two-sided rate of false alarms over all looks.
    power_ppm : rate at which an effect of `effect_min` is found.
    spending : group_sequential: how alpha is spent over the looks.
    """

    kind: StoppingKind
    looks_units: Annotated[tuple[Annotated[int, Meta(ge=2, le=10**9)], ...], Meta(max_length=50)] = ()
    alpha_ppm: Annotated[int, Meta(ge=1_000, le=200_000)] = 50_000
    power_ppm: Annotated[int, Meta(ge=500_000, le=990_000)] = 800_000
    spending: Literal["obrien_fleming", "pocock"] = "obrien_fleming"

    def __post_init__(self) -> None:
        """Looks exactly where they are planned, rising."""
        if (self.kind is StoppingKind.GROUP_SEQUENTIAL) != bool(self.looks_units):
            raise ValueError("stopping: looks_units stand with group_sequential, and only there")
        if any(after <= before for before, after in zip(self.looks_units, self.looks_units[1:], strict=False)):
            raise ValueError("stopping: looks_units rise from look to look")


_BOUNDS_MAX: Final = {
    GuardrailKind.LOSS_BUDGET: 10**14,
    GuardrailKind.EARLY_DELINQUENCY: PPM,
    GuardrailKind.APPROVAL_RATE: PPM,
    GuardrailKind.IMPACT_RATIO: PPM,
    GuardrailKind.ERROR_RATE: PPM,
    GuardrailKind.LATENCY_P99: 60 * 10**9,
}


class Guardrail(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bound whose breach stops an arm from the next decision on.

    Attributes
    ----------
    bound : loss_budget: cents of expected loss that an arm may reserve. early_delinquency: ppm by which the arm's share may lie above the
        control's. approval_rate: ppm by which it may lie below. impact_ratio: ppm below which the ratio of approval rates may not fall.
        error_rate: ppm of decisions that may fail. latency_p99: nanoseconds.
    lost_ppm : loss_budget: upper bound of the part of its amount that a bad loan loses.
    attribute, reference : impact_ratio: the prohibited attribute that is carried for monitoring, and the category whose approval rate the
        others' are divided by.
    """

    kind: GuardrailKind
    bound: Annotated[int, Meta(ge=1, le=10**14)]
    lost_ppm: SharePpm | UnsetType = UNSET
    attribute: Name | UnsetType = UNSET
    reference: Name | UnsetType = UNSET

    def __post_init__(self) -> None:
        """What a kind needs is there, and nothing else."""
        if self.bound > _BOUNDS_MAX[self.kind]:
            raise ValueError(f"guardrail {self.kind}: bound is at most {_BOUNDS_MAX[self.kind]}")
        wanted = {
            "lost_ppm": (self.lost_ppm, GuardrailKind.LOSS_BUDGET),
            "attribute": (self.attribute, GuardrailKind.IMPACT_RATIO),
            "reference": (self.reference, GuardrailKind.IMPACT_RATIO),
        }
        for name, (value, kind) in wanted.items():
            if (value is not UNSET) != (self.kind is kind):
                word = "needs" if self.kind is kind else "does not take"
                raise ValueError(f"guardrail {self.kind} {word} {name}")


class Segment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A categorical attribute of the product, each category of which is looked at apart."""

    attribute: Name


class Expected(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Figures of the past that the planner counts with.

    Attributes
    ----------
    applications_per_day : of the product, eligible or not, by units that have not applied before.
    eligible_ppm : share of them that the experiment is open to.
    mean : of the primary metric under the live release, per application (a share, or cents).
    deviation : loss and profit: standard deviation of the primary metric per application, cents.
    """

    applications_per_day: Annotated[int, Meta(ge=1, le=10**7)]
    eligible_ppm: SharePpm = PPM
    mean: float
    deviation: Annotated[float, Meta(gt=0)] | UnsetType = UNSET


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document.

    Attributes
    ----------
    eligible : whom the experiment is open to, over the product's attributes; left out, everybody. An unknown answer is a no.
    primary : name of the metric that the verdict is about.
    effect_min : smallest difference from the control worth finding, in the primary's unit (a share or cents), absolute.
    units_max : units over all arms after which the experiment ends with what is known.
    early : name of the metric that stands for the primary before that is ripe.
    entry_days_max : days after the start from which on nobody new is exposed.
    multiplicity : how the error rate is kept over several arms and metrics.
    """

    schema_version: Literal[1] = 1
    name: Name
    product: Name
    title: Text
    hypothesis: Annotated[str, Meta(min_length=1, max_length=2_000)]
    layer: Name
    unit: Unit = Unit.PERSON
    eligible: Condition | UnsetType = UNSET
    arms: Annotated[tuple[Arm, ...], Meta(min_length=2, max_length=8)]
    primary: Name
    metrics: Annotated[tuple[PlanMetric, ...], Meta(min_length=1, max_length=12)]
    effect_min: Annotated[float, Meta(gt=0)]
    units_max: Annotated[int, Meta(ge=2, le=10**9)]
    stopping: Stopping
    guardrails: Annotated[tuple[Guardrail, ...], Meta(max_length=12)] = ()
    segments: Annotated[tuple[Segment, ...], Meta(max_length=4)] = ()
    early: Name | UnsetType = UNSET
    entry_days_max: Annotated[int, Meta(ge=1, le=3_650)]
    multiplicity: Literal["holm", "e_bh"] = "holm"
    expect: Expected

    def __post_init__(self) -> None:
        """What can be seen without the product: shares add up, names are known and used once, figures fit together."""
        require_once("arm", [arm.name for arm in self.arms])
        require_once("metric", [metric.name for metric in self.metrics])
        require_once("segment", [segment.attribute for segment in self.segments])
        require_once("guardrail", [guardrail.kind for guardrail in self.guardrails])
        if sum(arm.share_ppm for arm in self.arms) != PPM:
            raise ValueError(f"arms: share_ppm of all arms add up to {PPM}")
        if self.arms[0].overlay:
            raise ValueError(f"arm {self.arms[0].name}: the first arm is the control and takes no overlay")
        names = {metric.name for metric in self.metrics}
        if self.primary not in names:
            raise ValueError(f"primary: {self.primary} is not among the metrics")
        if self.early is not UNSET and (self.early not in names or self.early == self.primary):
            raise ValueError(f"early: {self.early} has to be one of the metrics, and not the primary")
        if self.stopping.looks_units and self.stopping.looks_units[-1] != self.units_max:
            raise ValueError(f"stopping: the last of looks_units is units_max, {self.units_max}")
        self._require_figures()

    def _require_figures(self) -> None:
        """`effect_min` and `expect` are in the primary's unit and can happen."""
        money = self.primary_metric.kind.is_money
        if not (isfinite(self.effect_min) and isfinite(self.expect.mean)):
            raise ValueError("effect_min and expect.mean are finite numbers")
        if money != (self.expect.deviation is not UNSET):
            raise ValueError("expect: deviation stands with a primary metric in cents, and only there")
        if self.expect.deviation is not UNSET and not isfinite(self.expect.deviation):
            raise ValueError("expect: deviation is a finite number of cents")
        if not money and not 0 < self.expect.mean < 1:
            raise ValueError("expect: mean of a share lies between 0 and 1")
        if not money and self.effect_min >= 1:
            raise ValueError("effect_min: the primary is a share, so the difference is below 1")

    @property
    def control(self) -> Arm:
        """The first arm: the live release as it is."""
        return self.arms[0]

    @property
    def primary_metric(self) -> PlanMetric:
        """The metric that the verdict is about."""
        return self.metric(self.primary)

    def metric(self, name: str) -> PlanMetric:
        """The metric called `name`. Raises KeyError when there is none."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def arm(self, name: str) -> Arm:
        """The arm called `name`. Raises KeyError when there is none."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(name)


_PLANS = msgspec.json.Decoder(Plan)


def require_once(what: str, names: list[str]) -> None:
    """Raise ValueError naming the first of `names` that stands twice."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name}: is there twice; keep one")


def read_plan(text: str) -> Plan:
    """The plan in TOML `text`, types and shape checked; whether it fits its product is `checks.check_plan`'s to say.

    Raises
    ------
    Refused : not TOML, an unknown field, a wrong type, figures that don't fit together.
    """
    try:
        return msgspec.toml.decode(text, type=Plan)
    except msgspec.ValidationError as error:
        raise Refused(f"plan: {error}; schemas/plan.json lists what each field takes") from error
    except UNREADABLE as error:
        raise Refused(f"plan: {error}") from error


def encode_plan(plan: Plan) -> bytes:
    """Canonical JSON of the plan; its hash is the experiment's name."""
    return encode_canonical(plan)


def decode_plan(raw: bytes) -> Plan:
    """The plan behind canonical JSON. Raises Refused when it is none."""
    try:
        return _PLANS.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"plan: {error}") from error
