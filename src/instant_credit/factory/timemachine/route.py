"""What is to be lived through: which months of which book, by which documents. Edge."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, Literal, get_args

from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.outcome.definition import LabelDefinition
from instant_credit.policy.document import Policy
from instant_credit.score.scorecard import ExpertScorecard
from instant_credit.training.gates.thresholds import Thresholds
from instant_credit.units import add_months

Every = Literal["month", "quarter", "half-year", "year", "never"]

EVERY: Final[tuple[str, ...]] = get_args(Every)
BADS_MIN_DEFAULT: Final = 150
MONTHS_MAX: Final = 600

_TEST_SHARE_MIN: Final = 0.1
_TEST_SHARE_MAX: Final = 0.3
_TEST_BADS: Final = 2
_MONTHS_BETWEEN: Final = {"month": 1, "quarter": 3, "half-year": 6, "year": 12}


class Route(Struct, frozen=True, kw_only=True):
    """One journey.

    Attributes
    ----------
    first, last : first days of the first and of the last month that is lived through.
    every : how often a model is trained again, counted from January.
    definition : what good and bad mean, in training and in the report.
    scorecard : the expert's, which decides until a model is promoted.
    policy : whose cut-offs and prices suit a pd of the definition's horizon.
    thresholds : of the gates between a candidate and the counter.
    selects : whether variables are selected first, in each fold for itself: what a report did not tell in its first years is unstable.
    preset : of every fit; fixed, so that no later loan has a say in it.
    bads_min : ripe bad loans below which nothing is trained.
    """

    book: str
    first: date
    last: date
    every: Every
    definition: LabelDefinition
    scorecard: ExpertScorecard
    policy: Policy
    thresholds: Thresholds
    preset: str = "steady"
    selects: bool = True
    bads_min: int = BADS_MIN_DEFAULT

    def __post_init__(self) -> None:
        """Months that follow each other, and labels that ripen."""
        if self.first.day != 1 or self.last.day != 1:
            raise Refused("a journey begins and ends with a whole month")
        if self.first > self.last:
            raise Refused(f"--from {self.first:%Y-%m} lies after --to {self.last:%Y-%m}: a journey goes forward")
        if add_months(self.first, MONTHS_MAX) <= self.last:
            raise Refused(f"a journey takes at most {MONTHS_MAX} months: bring --from and --to nearer together")
        if self.definition.window_months is None:
            raise Refused(
                f"labels {self.definition.name} have no window, so early on mostly bad loans would be resolved: name a definition with "
                "window_months (--labels)"
            )

    @property
    def end(self) -> date:
        """The first day after the journey."""
        return add_months(self.last, 1)

    def list_months(self) -> Iterator[date]:
        """First days of the months, in order."""
        month = self.first
        while month <= self.last:
            yield month
            month = add_months(month, 1)

    def trains_on(self, day: date) -> bool:
        """Whether a model is to be trained on this day."""
        between = _MONTHS_BETWEEN.get(self.every)
        return between is not None and day.day == 1 and (day.month - 1) % between == 0

    def share_tested(self, bads: int) -> float:
        """Share of the ripe loans, the latest, that a candidate is judged on when so many of all of them are bad: about twice as many as its gates
        need, so that all others are learned from.
        """
        return min(_TEST_SHARE_MAX, max(_TEST_SHARE_MIN, _TEST_BADS * self.thresholds.data.test_bads_min / bads))


def quarter_of(day: date) -> date:
    """First day of the quarter."""
    return day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1)


def name_quarter(first: date) -> str:
    """As a report names it, for instance ``2010-Q3``."""
    return f"{first.year}-Q{(first.month + 2) // 3}"


def day_before(day: date) -> date:
    """The day before."""
    return day - timedelta(days=1)
