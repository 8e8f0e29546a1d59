"""Losses: how much of a loan was owed when it was charged off, and how much of that never came back. Pure.

As known on a day, by segment and over all charged-off loans with a beginning:

    exposure at default  = sum of what was charged off / sum of what was paid out
    loss given default   = 1 - sum of what was recovered within `recovery_months` of the charge-off / sum of what was charged off

Recoveries come for years. A loan whose months of recovery and lag have not passed on the day is young: it tells its exposure, but of its
loss only what came early, so it is left out of the loss and counted apart. What came back after its months, or is dated so late because only
the day of a reading is told, is no part of the figures and stands beside them. Both figures are ratios of sums, since a large loan
loses more money than a small one; their intervals are those of a ratio (Cochran 1977, 6.3), normal, and kept between 0 and 1 where the
figure itself is. A segment with fewer than `SEGMENT_MIN` loans keeps its counts and takes the figures of all.
"""

import math
from datetime import date
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from instant_credit.canonical import UNREADABLE, encode_canonical
from instant_credit.errors import Refused, require
from instant_credit.outcome.courses import Courses
from instant_credit.outcome.events import EventKind
from instant_credit.outcome.histories import NEVER, add_months_to_days, find_first_days
from instant_credit.units import date_from_days

Codes = NDArray[np.int64]
Sums = NDArray[np.float64]

SEGMENT_MIN: Final = 20
RECOVERY_MONTHS: Final = 24
_NORMAL_POINT: Final = 1.959963984540054


class Share(Struct, frozen=True, kw_only=True):
    """A ratio of sums of money with the ends of its 95% interval."""

    value: float
    low: float
    high: float


class SegmentLosses(Struct, frozen=True, kw_only=True):
    """One segment, or all loans.

    Attributes
    ----------
    charged_off, ripe, young : counts of charged-off loans; `ripe` ones tell the loss, `young` ones do not yet.
    paid_out_cents, charged_off_cents : sums over all charged-off loans of what was paid out to them and written off of them.
    ripe_cents, recovered_cents : sums over the ripe ones of what was written off and came back within its months.
    later_cents : what came back of the ripe ones after its months.
    exposure, loss : exposure at default and loss given default; None where no loan tells it.
    is_own : whether the figures are of this segment's loans; false = too few, those of all loans stand here.
    """

    segment: str
    charged_off: int
    ripe: int
    young: int
    paid_out_cents: int
    charged_off_cents: int
    ripe_cents: int
    recovered_cents: int
    later_cents: int
    exposure: Share | None
    loss: Share | None
    is_own: bool

    @property
    def lost_share(self) -> float | None:
        """Part of the amount paid out that is lost when a loan is charged off, 0 to 1: exposure times loss; None when either is not told."""
        if self.exposure is None or self.loss is None:
            return None
        return min(max(self.exposure.value * self.loss.value, 0.0), 1.0)


class LossTable(Struct, frozen=True, kw_only=True):
    """Losses of a book's loans as a document: `total` over all loans, `segments` by the categories of an attribute.

    Attributes
    ----------
    known_on : what was known on this day, inclusive.
    recovery_months, lag_days : a charge-off is ripe once both have passed.
    attribute : of the product, whose categories the segments are; None without segments.
    """

    schema_version: int = 1
    book: str
    product: str
    known_on: date
    recovery_months: Annotated[int, Meta(ge=1, le=600)]
    lag_days: Annotated[int, Meta(ge=0, le=3_660)]
    attribute: str | None = None
    total: SegmentLosses
    segments: Annotated[tuple[SegmentLosses, ...], Meta(max_length=1_000)] = ()

    def find_row(self, segment: str | None) -> SegmentLosses:
        """The row that speaks for a segment: its own where it has figures of its own, else that of all loans."""
        return next((one for one in self.segments if one.segment == segment and one.is_own), self.total)

    def find_lost_share(self, segment: str | None = None) -> float | None:
        """Part of the amount paid out that is lost when a loan of the segment is charged off; of all loans for one without own figures."""
        return self.find_row(segment).lost_share


_DECODER: Final = msgspec.json.Decoder(LossTable)


def encode_losses(table: LossTable) -> bytes:
    """Canonical bytes; their hash names the table."""
    return encode_canonical(table)


def decode_losses(raw: bytes) -> LossTable:
    """The table behind canonical JSON. Raises Refused when it is none."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"loss table: {error}") from error


class _Charged(Struct, frozen=True, eq=False):
    """Charged-off loans: segment codes int64[k], money float64[k] in cents, whether each is ripe."""

    segments: Codes
    paid_out: Sums
    charged_off: Sums
    recovered: Sums
    later: Sums
    is_ripe: NDArray[np.bool_]


def measure_losses(
    courses: Courses,
    segments: Codes,
    names: tuple[str, ...],
    *,
    book: str,
    product: str,
    attribute: str | None,
    known_on_days: int,
    lag_days: int = 0,
    recovery_months: int = RECOVERY_MONTHS,
) -> LossTable:
    """Exposure at default and loss given default.

    Parameters
    ----------
    segments : int64[n], the segment of each loan by its place in `names`; -1 = in none, and in the total alone.
    recovery_months : how long after a charge-off recoveries count.

    Raises
    ------
    Refused : no charged-off loan tells what was paid out and written off.
    """
    require(segments.shape == courses.starts.shape, "each loan has its segment")
    charged = _gather_charged(courses, segments, known_on_days - lag_days, recovery_months)
    if not len(charged.segments):
        raise Refused(
            "no charged-off loan of the book tells both what was paid out and what was written off: its tape or its lender must tell "
            "events of the kinds disbursed and charged_off with their amounts"
        )
    total = _measure(charged, "all", np.ones(len(charged.segments), dtype=np.bool_), None)
    return LossTable(
        book=book,
        product=product,
        known_on=date_from_days(known_on_days),
        recovery_months=recovery_months,
        lag_days=lag_days,
        attribute=attribute,
        total=total,
        segments=tuple(_measure(charged, name, charged.segments == code, total) for code, name in enumerate(names)),
    )


def _gather_charged(courses: Courses, segments: Codes, until_days: int, recovery_months: int) -> _Charged:
    standing = courses.standing
    days = find_first_days(standing, standing.is_kind(EventKind.CHARGED_OFF))

    def sum_loans(rows: NDArray[np.bool_]) -> Sums:
        cents = standing.amounts_cents[rows].astype(np.float64)
        return np.bincount(standing.loans[rows], cents, standing.loan_count).astype(np.float64)

    ends = add_months_to_days(days, recovery_months)
    is_recovered = standing.is_kind(EventKind.RECOVERED)
    is_in_time = standing.event_days <= ends[standing.loans]
    charged_off = sum_loans(standing.is_kind(EventKind.CHARGED_OFF))
    paid_out = sum_loans(standing.is_kind(EventKind.DISBURSED))
    rows = (days != NEVER) & (charged_off > 0) & (paid_out > 0)
    return _Charged(
        segments=segments[rows],
        paid_out=paid_out[rows],
        charged_off=charged_off[rows],
        recovered=sum_loans(is_recovered & is_in_time)[rows],
        later=sum_loans(is_recovered & ~is_in_time)[rows],
        is_ripe=(ends <= until_days)[rows],
    )


def _measure(charged: _Charged, name: str, rows: NDArray[np.bool_], total: SegmentLosses | None) -> SegmentLosses:
    ripe = rows & charged.is_ripe
    is_own = total is None or int(ripe.sum()) >= SEGMENT_MIN
    exposure = measure_share(charged.charged_off[rows], charged.paid_out[rows])
    back = measure_share(charged.recovered[ripe], charged.charged_off[ripe])
    loss = None if back is None else _turn(back)
    if not is_own:
        assert total is not None
        exposure, loss = total.exposure, total.loss
    return SegmentLosses(
        segment=name,
        charged_off=int(rows.sum()),
        ripe=int(ripe.sum()),
        young=int((rows & ~charged.is_ripe).sum()),
        paid_out_cents=int(charged.paid_out[rows].sum()),
        charged_off_cents=int(charged.charged_off[rows].sum()),
        ripe_cents=int(charged.charged_off[ripe].sum()),
        recovered_cents=int(charged.recovered[ripe].sum()),
        later_cents=int(charged.later[ripe].sum()),
        exposure=exposure,
        loss=loss,
        is_own=is_own,
    )


def measure_share(parts: Sums, wholes: Sums) -> Share | None:
    """Sum of parts over sum of wholes, float64[k] each, wholes above 0; None of no loans. One loan tells nothing of its spread.

    Source: Cochran (1977), Sampling Techniques, equation 6.9, without the correction for finite populations.
    """
    count = len(wholes)
    if not count:
        return None
    value = float(parts.sum()) / float(wholes.sum())
    if count == 1:
        return Share(value=value, low=min(0.0, value), high=max(1.0, value))
    spread = float(np.square(parts - value * wholes).sum()) / (count - 1)
    half = _NORMAL_POINT * math.sqrt(spread * count) / float(wholes.sum())
    low, high = value - half, value + half
    return Share(value=value, low=max(low, min(0.0, value)), high=min(high, max(1.0, value)))


def _turn(share: Share) -> Share:
    """What is left of a whole."""
    return Share(value=1.0 - share.value, low=1.0 - share.high, high=1.0 - share.low)
