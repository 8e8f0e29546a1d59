"""Plans: which loans a model is tested on, which it is fitted on, and on which it is calibrated.

*by date*   Test loans are those from `test_from` on; no loan of the test has a part in anything else. The final model is fitted on
            all loans before the test. Its calibration is fitted on the last months of those, on scores that each loan got from a
            model fitted without it: the loans before the test are dealt into five folds, and a fold is scored by a model of the
            other four. A model fitted only on what came before those months would be a worse stand-in for the final model: it has not
            seen what was new in them.
*by share*  For books without dates: test loans are those of a share of the persons, by chance. The final model is fitted on the
            others and calibrated on all of them, each scored by a model fitted without it.
*by folds*  For books without dates. Each fold is scored by a model fitted on the others, and calibrated on the others' scores of
            that kind. The final model is fitted on all loans and calibrated on all those scores. A person is in one fold only.

A book is dated when its loans lie on several days over half a year or more. Without a wish, a dated book is tested on the last fifth
of its loans by date, and any other, or one whose last fifth holds too few good or bad loans, in five folds.
"""

from datetime import date
from typing import Final, Literal, get_args

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.training.dataset import Loans
from instant_credit.units import add_months, date_from_days, days_from_date

CALIBRATION_MONTHS: Final = 6
CALIBRATION_FOLDS: Final = 5
FOLDS_DEFAULT: Final = 5
FOLDS_MIN: Final = 2
FOLDS_MAX: Final = 20
SHARE_DEFAULT: Final = 0.2
SHARE_MIN: Final = 0.05
SHARE_MAX: Final = 0.5
KIND_MIN: Final = 20

_DATED_DAYS_MIN: Final = 6
_DATED_SPAN_MIN: Final = 180
# A Platt fit of 100 bad loans knows its intercept to about 0.1 log-odds.
_CALIBRATION_BADS: Final = 100
_FOLD_SEED: Final = 1

Purpose = Literal["plan", "calibration", "inner", "sample", "halves"]
_PURPOSES: Final[tuple[str, ...]] = get_args(Purpose)

Rows = NDArray[np.int64]


class ByDate(Struct, frozen=True, kw_only=True):
    """Test on loans from `test_from` on, calibrate on the `calibration_months` before it."""

    test_from: date
    calibration_months: int = CALIBRATION_MONTHS

    @property
    def calibrate_from(self) -> date:
        """First day of the months that the calibration is fitted on."""
        return add_months(self.test_from, -self.calibration_months)


class ByShare(Struct, frozen=True, kw_only=True):
    """Test on the loans of this share of the persons, by a fixed shuffle."""

    test_share: float


class ByFolds(Struct, frozen=True, kw_only=True):
    """Test on each of `folds` parts in turn."""

    folds: int


Plan = ByDate | ByShare | ByFolds


class PlanTold(Struct, frozen=True, kw_only=True):
    """How loans were divided; `test_from` and `calibration_months` by date, `test_share` by share, `folds` by folds.

    `fold_seed` deals persons into folds and shares, `calibration_folds` score the loans that the calibration of the other two is fitted on.
    """

    kind: Literal["by_date", "by_share", "by_folds"]
    test_from: str | None = None
    calibration_months: int | None = None
    test_share: float | None = None
    folds: int | None = None
    fold_seed: int | None = None
    calibration_folds: int | None = None


class Part(Struct, frozen=True, kw_only=True):
    """A part of the loans and what it was used for; `bad_rate` counts each loan by its sampling weight."""

    name: str
    loans: int
    bads: int
    bad_rate: float
    first_on: date
    last_on: date


class Divided(Struct, frozen=True, kw_only=True, eq=False):
    """One test apart from one fit: positions in the training set, each rising. `calibrate_rows` are some of `fit_rows`."""

    fit_rows: Rows
    calibrate_rows: Rows
    test_rows: Rows


class Wish(Struct, frozen=True, kw_only=True):
    """What was asked for; nothing at all asks for the default."""

    test_from: date | None = None
    calibration_months: int | None = None
    test_share: float | None = None
    folds: int | None = None

    def __post_init__(self) -> None:
        """One test only."""
        if sum(one is not None for one in (self.test_from, self.test_share, self.folds)) > 1:
            raise Refused("give one of --test-from, --test-share and --folds")
        if self.test_share is not None and not SHARE_MIN <= self.test_share <= SHARE_MAX:
            raise Refused(f"--test-share must lie between {SHARE_MIN} and {SHARE_MAX}")


def choose_plan(loans: Loans, wish: Wish) -> tuple[Plan, str]:
    """The plan, and in words what is tested on and why that."""
    if wish.folds is not None:
        return ByFolds(folds=wish.folds), f"{wish.folds} folds, as asked for"
    if wish.test_from is not None:
        months = CALIBRATION_MONTHS if wish.calibration_months is None else wish.calibration_months
        return ByDate(
            test_from=wish.test_from, calibration_months=months
        ), f"loans from {wish.test_from} on, as asked for"
    share = SHARE_DEFAULT if wish.test_share is None else wish.test_share
    if not is_dated(loans):
        if wish.test_share is not None:
            return ByShare(test_share=share), f"loans of {share:.0%} of the persons, by chance: the book has no dates"
        return _take_folds(loans, "the book has no dates to test over time")
    plan = _take_latest(loans, share, wish.calibration_months)
    divided = divide(loans, plan)
    told = f"the latest {len(divided.test_rows) / loans.loans:.1%} of the loans, from {plan.test_from} on"
    if wish.test_share is None and min(map(loans.count_rarer, (divided.test_rows, divided.calibrate_rows))) < KIND_MIN:
        return _take_folds(loans, f"{told}, hold fewer than {KIND_MIN} good or bad ones, or those before them do")
    return plan, told


def _take_folds(loans: Loans, why: str) -> tuple[ByFolds, str]:
    """Five folds, or as many as each hold enough good and bad loans."""
    folds = FOLDS_DEFAULT
    while folds > FOLDS_MIN:
        dealt = deal_folds(loans.persons, folds)
        if min(loans.count_rarer(np.flatnonzero(dealt == fold)) for fold in range(folds)) >= KIND_MIN:
            break
        folds -= 1
    return ByFolds(folds=folds), f"{folds} folds: {why}"


def is_dated(loans: Loans) -> bool:
    """Whether the loans' days can divide them into earlier and later ones."""
    days = np.unique(loans.days)
    return len(days) >= _DATED_DAYS_MIN and int(days[-1]) - int(days[0]) >= _DATED_SPAN_MIN


def _take_latest(loans: Loans, share: float, calibration_months: int | None) -> ByDate:
    """By date, so that the test's share comes as near to `share` as whole days allow; loans of one day stay together."""
    days, firsts = np.unique(loans.days, return_index=True)
    nearest = 1 + int(np.abs(firsts[1:] / loans.loans - (1.0 - share)).argmin())
    test_from = date_from_days(int(days[nearest]))
    months = CALIBRATION_MONTHS if calibration_months is None else calibration_months
    if calibration_months is None:
        span = (test_from.year - date_from_days(int(days[0])).year) * 12 + 12
        while months < span:
            plan = ByDate(test_from=test_from, calibration_months=months)
            if loans.count_rarer(divide(loans, plan).calibrate_rows) >= _CALIBRATION_BADS:
                break
            months += CALIBRATION_MONTHS
    return ByDate(test_from=test_from, calibration_months=months)


def divide(loans: Loans, plan: ByDate | ByShare) -> Divided:
    """The loans' positions by what they are used for."""
    every_row = np.arange(loans.loans)
    if isinstance(plan, ByShare):
        dealt = deal_folds(loans.persons, 1_000)
        is_test = dealt < round(plan.test_share * 1_000)
        return Divided(fit_rows=every_row[~is_test], calibrate_rows=every_row[~is_test], test_rows=every_row[is_test])
    if plan.calibration_months < 1:
        raise Refused("calibration takes at least one month")
    calibrate, test = (days_from_date(day) for day in (plan.calibrate_from, plan.test_from))
    is_test = loans.days >= test
    return Divided(
        fit_rows=every_row[~is_test],
        calibrate_rows=every_row[~is_test & (loans.days >= calibrate)],
        test_rows=every_row[is_test],
    )


def describe_parts(loans: Loans, plan: Plan) -> tuple[Part, ...]:
    """What the loans are used for; refuses parts too small to tell anything."""
    every_row = np.arange(loans.loans)
    if isinstance(plan, ByFolds):
        if not FOLDS_MIN <= plan.folds <= FOLDS_MAX:
            raise Refused(f"folds must be {FOLDS_MIN} to {FOLDS_MAX}")
        folds = deal_folds(loans.persons, plan.folds)
        advice = "Take fewer --folds, or a book with more resolved loans"
        for fold in range(plan.folds):
            _describe(loans, f"fold {fold + 1}", every_row[folds == fold], advice)
        return (_describe(loans, "fit, calibrate and test in folds", every_row, advice),)
    divided = divide(loans, plan)
    advice = "Move --test-from, take more --calibration-months, or use --folds"
    if isinstance(plan, ByShare):
        advice = "Take another --test-share, or use --folds"
    return (
        _describe(loans, "fit", divided.fit_rows, advice),
        _describe(loans, "calibrate, of these", divided.calibrate_rows, advice),
        _describe(loans, "test", divided.test_rows, advice),
    )


def _describe(loans: Loans, name: str, rows: Rows, advice: str) -> Part:
    if loans.count_rarer(rows) < KIND_MIN:
        raise Refused(
            f"{name}: {len(rows)} loans, {int(loans.labels[rows].sum())} of them bad; at least {KIND_MIN} good and {KIND_MIN} "
            f"bad ones are needed. {advice}"
        )
    part = loans.take(rows)
    return Part(
        name=name,
        loans=part.loans,
        bads=int(part.labels.sum()),
        bad_rate=part.bad_rate,
        first_on=date_from_days(int(part.days.min())),
        last_on=date_from_days(int(part.days.max())),
    )


def tell_plan(plan: Plan) -> PlanTold:
    """The plan as the manifest holds it."""
    if isinstance(plan, ByFolds):
        return PlanTold(kind="by_folds", folds=plan.folds, fold_seed=_FOLD_SEED)
    told = PlanTold(kind="by_share", fold_seed=_FOLD_SEED, calibration_folds=CALIBRATION_FOLDS)
    if isinstance(plan, ByShare):
        return replace(told, test_share=plan.test_share)
    test_from = plan.test_from.isoformat()
    return replace(told, kind="by_date", test_from=test_from, calibration_months=plan.calibration_months)


def recall_plan(told: PlanTold) -> Plan:
    """The plan that `tell_plan` told.

    Raises
    ------
    Refused : this version of the program deals folds otherwise.
    """
    plan: Plan
    if told.kind == "by_folds" and told.folds is not None:
        plan = ByFolds(folds=told.folds)
    elif told.kind == "by_share" and told.test_share is not None:
        plan = ByShare(test_share=told.test_share)
    elif told.kind == "by_date" and told.test_from is not None and told.calibration_months is not None:
        plan = ByDate(test_from=date.fromisoformat(told.test_from), calibration_months=told.calibration_months)
    else:
        raise Refused(f"the manifest's plan {told.kind} is not told in full")
    now = tell_plan(plan)
    if now != told:
        raise Refused(
            f"the manifest's folds are dealt by seed {told.fold_seed} in {told.calibration_folds} to calibrate on, this version of the "
            f"program deals by seed {now.fold_seed} in {now.calibration_folds}: repeat with the version that the manifest names"
        )
    return plan


def deal_folds(persons: NDArray[np.int64], folds: int, purpose: Purpose = "plan") -> NDArray[np.int64]:
    """Fold of each loan, int64[n] in [0, folds): persons, as evenly as can be, by a fixed shuffle.

    Every purpose shuffles otherwise, so that folds within a fold are as even as any.

    Parameters
    ----------
    persons : int64[n], at least one; equal numbers are one person.
    """
    found, places = np.unique(persons, return_inverse=True)
    seeds = np.random.PCG64([_FOLD_SEED, _PURPOSES.index(purpose)])
    dealt = np.random.Generator(seeds).permutation(len(found)) % folds
    return dealt[places].astype(np.int64)
