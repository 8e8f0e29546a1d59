"""A book's repayment, read out of the record: courses of its loans and what to group them by. Edge.

Cases and events (chunks) -> histories -> courses as known on a day (`outcome.courses`) -> labels, curves, rates
-> groups: a month of paying out, a category of the Case, a band of points of the Decision
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.document import hash_layout
from instant_credit.application.product import AttributeType, Product
from instant_credit.decision.case import Case, decode_case
from instant_credit.decision.decision import decode_decision
from instant_credit.errors import Refused
from instant_credit.outcome.courses import Courses, trace_courses
from instant_credit.outcome.definition import LabelDefinition, require_product
from instant_credit.outcome.events import EventKind
from instant_credit.outcome.histories import NEVER, Days, lay_out_rows, name_months
from instant_credit.record.pool import Record
from instant_credit.record.reads import CHUNK_CASES, iterate_cases
from instant_credit.record.rows import EventRow, StoredCase
from instant_credit.training.dataset import require_loans
from instant_credit.training.event_rows import EventRows
from instant_credit.units import days_from_date

Codes = NDArray[np.int64]

NO_POINTS: Final = "without points"
NOT_DECIDED: Final = "not decided here"
NOT_TOLD: Final = "not told"


class Groups(Struct, frozen=True, kw_only=True, eq=False):
    """A group for each loan, int64[n] by its place in `names`; -1 = in none."""

    codes: Codes
    names: tuple[str, ...]


class BookCourses(Struct, frozen=True, kw_only=True, eq=False):
    """The loans of a book as known on a day. A Case that was decided here is one from the first event on that tells of it.

    Attributes
    ----------
    known_on_days : the day, in days since 1970-01-01.
    segments : int64[n], the category of the attribute that was asked for, -1 = not told; None without one.
    points : int64[n], of the Decision, -1 = none.
    releases : the releases that decided, by their hashes; -1 = not decided here.
    """

    book: str
    definition: LabelDefinition
    known_on_days: int
    courses: Courses
    as_of_days: Days
    segments: Groups | None
    points: Codes
    releases: Groups

    def group_by_start(self, months: int) -> Groups:
        """Cohorts of so many months by the loans' beginning."""
        is_begun = self.courses.starts != NEVER
        codes = np.full(len(is_begun), -1, dtype=np.int64)
        codes[is_begun], names = name_months(self.courses.starts[is_begun], months)
        return Groups(codes=codes, names=names)

    def group_by_points(self, width: int) -> Groups:
        """Bands of so many points, the lowest first; loans without points are the last group."""
        lows = np.where(self.points < 0, -1, self.points // width * width)
        found = [int(one) for one in np.unique(lows) if one >= 0]
        has_none = bool((lows < 0).any())
        names = (*(f"{low} to {low + width - 1}" for low in found), *((NO_POINTS,) if has_none else ()))
        places = {low: place for place, low in enumerate(found)} | {-1: len(found)}
        return Groups(codes=np.array([places[int(low)] for low in lows], dtype=np.int64), names=names)

    def group_by_release(self) -> Groups:
        """By the release that decided, in order of their hashes; loans that no release decided are the last group."""
        codes = np.where(self.releases.codes < 0, len(self.releases.names), self.releases.codes)
        has_none = bool((self.releases.codes < 0).any())
        return Groups(codes=codes, names=(*self.releases.names, *((NOT_DECIDED,) if has_none else ())))

    def group_by_segment(self) -> Groups:
        """By the category that was asked for; loans that do not tell it are the last group."""
        assert self.segments is not None
        codes = np.where(self.segments.codes < 0, len(self.segments.names), self.segments.codes)
        return Groups(codes=codes, names=(*self.segments.names, NOT_TOLD))


async def gather_courses(
    record: Record,
    *,
    book: str,
    product: Product,
    known_on: date,
    definition: LabelDefinition,
    segment: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> BookCourses:
    """Read the repayment of a book's loans of one product.

    Parameters
    ----------
    known_on : what was known on this day, inclusive; Cases of later days are passed over.
    segment : a category attribute of the product.
    progress : told how many Cases were read so far.

    Raises
    ------
    Refused : the book holds no Case of the product from until then, or the segment is none of its categories; or the labels are not for it.
    """
    require_product(definition, product.name)
    require_loans(book, definition)
    gathering = _Gathering(product, segment, known_on)
    read = 0
    async for stored in iterate_cases(record, book, with_decisions=True):
        read += 1
        if stored.as_of <= known_on:
            gathering.add(stored)
        if read % CHUNK_CASES == 0:
            progress(read)
    progress(read)
    days = np.array(gathering.days, dtype=np.int32)
    if not len(days):
        told = f"book {book} holds no Case of {product.name} from until {known_on}"
        if gathering.not_lent:
            told = f"of {gathering.not_lent:,} applications for {product.name} in book {book} none was known by {known_on} to be a loan"
        raise Refused(f"{told}: name another book, product or day")
    known_on_days = days_from_date(known_on)
    return BookCourses(
        book=book,
        definition=definition,
        known_on_days=known_on_days,
        courses=trace_courses(
            lay_out_rows(gathering.events.take(), len(days)),
            as_of_days=days,
            known_on_days=known_on_days,
            definition=definition,
        ),
        as_of_days=days,
        segments=gathering.list_segments(),
        points=np.array(gathering.points, dtype=np.int64),
        releases=gathering.list_releases(),
    )


class _Gathering:
    """Holds numbers only. What is sealed is opened for the segment and the points alone.

    `not_lent` counts decided Cases of which no event tells: whoever was declined, or took no offer, has no loan.
    """

    def __init__(self, product: Product, segment: str | None, known_on: date) -> None:
        self.not_lent = 0
        self._known_on = known_on
        self.days: list[int] = []
        self.points: list[int] = []
        self._releases: list[str] = []
        self.events = EventRows()
        self._product = product
        self._layout_hash = hash_layout(product)
        self._segments: list[int] = []
        self._place, self._names = _find_category(product, segment)

    def add(self, stored: StoredCase) -> None:
        if stored.product != self._product.name:
            return
        if stored.decision_id is not None and not _has_events(stored.events, self._known_on):
            self.not_lent += 1
            return
        self.events.add(len(self.days), stored.events)
        self.days.append(days_from_date(stored.as_of))
        self._releases.append(stored.release_hash or "")
        points = None if stored.decision is None else decode_decision(stored.decision).points
        self.points.append(-1 if points is None else points)
        if self._place is not None:
            self._segments.append(-1 if stored.case is None else self._read_segment(decode_case(stored.case)))

    def _read_segment(self, case: Case) -> int:
        assert self._place is not None
        return case.facts.codes[self._place] if case.layout_hash == self._layout_hash else -1

    def list_releases(self) -> Groups:
        names = tuple(sorted(set(self._releases) - {""}))
        places = {name: place for place, name in enumerate(names)} | {"": -1}
        return Groups(codes=np.array([places[one] for one in self._releases], dtype=np.int64), names=names)

    def list_segments(self) -> Groups | None:
        if self._place is None:
            return None
        return Groups(codes=np.array(self._segments, dtype=np.int64), names=self._names)


def _has_events(events: Sequence[EventRow], known_on: date) -> bool:
    """Whether an event stood on the day."""
    known = [event for event in events if event.known_on <= known_on]
    corrected = {event.corrects for event in known}
    return any(event.kind != EventKind.VOID and event.event_id not in corrected for event in known)


def _find_category(product: Product, segment: str | None) -> tuple[int | None, tuple[str, ...]]:
    """The place of a category among the codes of a Case's facts, and its names."""
    if segment is None:
        return None, ()
    categories = [one for one in product.case_attributes if one.type is AttributeType.CATEGORY]
    for place, attribute in enumerate(categories):
        if attribute.name == segment:
            return place, attribute.categories
    told = ", ".join(one.name for one in categories) or "none"
    raise Refused(f"--segment {segment} is no category of {product.name}; its categories are {told}")
