"""The training set: recorded Cases of a book with their labels, as numbers. Edge.

    Cases (chunks) -> Facts -> pack -> build (the kernels that serve) -> matrix float32[n, m]
    events         -> labels by a definition, as known on a date     -> int8[n], 0 good, 1 bad

The set is what could have been gathered on the day `known_on`. A Case is known from its `as_of` on, an event from its `known_on` on,
and a correction from its own: whatever is recorded with later days, before or after this set is gathered, changes no byte of it. What is
erased is gone, though: a person's right outweighs the repetition.

Rows are ordered by day, natural key and content, never by id, so that the same book imported into two records gives the same
training set. What cannot be used is counted by reason, never dropped silently. No row carries a name, an id or a free text.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.document import hash_layout, hash_product
from instant_credit.application.product import Direction, Product
from instant_credit.canonical import hash_content
from instant_credit.decision.case import Case, build_case_features, decode_case
from instant_credit.decision.decision import Outcome, decode_decision
from instant_credit.errors import Refused
from instant_credit.features.program import compile_features
from instant_credit.outcome.courses import trace_courses
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition, hash_definition, require_product
from instant_credit.outcome.histories import NEVER, Histories, lay_out_rows
from instant_credit.outcome.labels import Label, label_courses
from instant_credit.record.pool import Record
from instant_credit.record.reads import CHUNK_CASES, iterate_cases
from instant_credit.record.rows import StoredCase
from instant_credit.training.event_rows import EventRows
from instant_credit.training.propensities import find_propensity, read_propensity
from instant_credit.underwriting.course import API_BOOKS, require_real
from instant_credit.units import days_from_date

OTHER_PRODUCT: Final = "recorded under another product, or under a version of it with other attributes"
ERASED: Final = "erased: the person's key was destroyed"
INDETERMINATE: Final = "neither repaid nor charged off as known on that day"
IMMATURE: Final = "immature: the window of the labels and the lag of reports had not passed on that day"
NOT_PAID_OUT: Final = "not told as paid out as known on that day"
NEITHER: Final = "neither good nor bad by the definition of the labels"


class ModelColumns(Struct, frozen=True, kw_only=True):
    """The model's m variables, in matrix order. `categories[j]` names the codes of variable j, empty for a number."""

    names: tuple[str, ...]
    directions: tuple[Direction, ...]
    categories: tuple[tuple[str, ...], ...]

    @property
    def is_category(self) -> NDArray[np.bool_]:
        """bool[m]."""
        return np.array([bool(one) for one in self.categories], dtype=np.bool_)


class LeftOut(Struct, frozen=True, kw_only=True):
    """How many things were not used, and why."""

    reason: str
    count: int


class Loans(Struct, frozen=True, kw_only=True, eq=False):
    """Resolved loans as numbers: all of a book's, or the part of them that something is fitted on.

    Attributes
    ----------
    columns : the m variables.
    matrix : float32[n, m], C-contiguous, the model's variables; NaN = missing, -1 for category codes.
    labels : int8[n], 1 = bad.
    days : int32[n], `as_of` in days since 1970-01-01, never falling.
    persons : int64[n], a number from 0 for each person.
    weights : float64[n], above 0: how many loans of the lender's each one stands for; 1 where the book was not sampled.
    propensities : float64[n], by which chance each was approved, NaN = not told; None where nobody asked.
    """

    columns: ModelColumns
    matrix: NDArray[np.float32]
    labels: NDArray[np.int8]
    days: NDArray[np.int32]
    persons: NDArray[np.int64]
    weights: NDArray[np.float64]
    propensities: NDArray[np.float64] | None = None

    @property
    def loans(self) -> int:
        """N."""
        return len(self.labels)

    @property
    def bad_rate(self) -> float:
        """Share of bad loans, each counted by its weight."""
        return float(self.weights[self.labels == 1].sum()) / float(self.weights.sum())

    def count_rarer(self, rows: NDArray[np.int64]) -> int:
        """How many of these loans are of the kind, good or bad, that is rarer among them."""
        bads = int(self.labels[rows].sum())
        return min(bads, len(rows) - bads)

    def take(self, rows: NDArray[np.int64] | slice) -> "Loans":
        """These rows; a slice copies nothing."""
        return Loans(
            columns=self.columns,
            matrix=self.matrix[rows],
            labels=self.labels[rows],
            days=self.days[rows],
            persons=self.persons[rows],
            weights=self.weights[rows],
            propensities=None if self.propensities is None else self.propensities[rows],
        )


class Rejects(Struct, frozen=True, kw_only=True, eq=False):
    """Applicants who were declined and of whom nothing is known since; ordered and read as `Loans` are, r of them.

    Attributes
    ----------
    matrix : float32[r, m]; `days` int32[r], `weights` float64[r], as of loans.
    """

    matrix: NDArray[np.float32]
    days: NDArray[np.int32]
    weights: NDArray[np.float64]


class TrainingSet(Loans, frozen=True, kw_only=True, eq=False):
    """Resolved loans of a book, by a label definition and as known on a day.

    `persons` are numbered in order of first appearance; `cases` counts Cases of then, used or not. `rejects` are there when they were
    asked for; they are among those left out.
    """

    book: str
    product: Product
    product_hash: str
    known_on: date
    definition: LabelDefinition = AS_LAST_SEEN
    cases: int
    left_out: tuple[LeftOut, ...]
    rejects: Rejects | None = None

    @property
    def labels_hash(self) -> str:
        """Content hash of the definition that the labels were given by."""
        return hash_definition(self.definition)

    @property
    def is_weighted(self) -> bool:
        """Whether some loan stands for more of the lender's loans than another."""
        return bool((self.weights != self.weights[0]).any())


def list_columns(product: Product) -> ModelColumns:
    """The columns that `features.build` gives the model for `product`."""
    variables = product.model_variables
    return ModelColumns(
        names=tuple(v.name for v in variables),
        directions=tuple(v.direction for v in variables),
        categories=product.model_categories,
    )


async def gather_training_set(
    record: Record,
    *,
    book: str,
    product: Product,
    known_on: date,
    definition: LabelDefinition = AS_LAST_SEEN,
    with_rejects: bool = False,
    propensity: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> TrainingSet:
    """Read a book and turn it into numbers.

    Parameters
    ----------
    product : whose variables are computed; Cases of an earlier version count when its attributes were the same.
    known_on : Cases and labels are what was known on this day, inclusive.
    definition : what the labels mean.
    with_rejects : gather declined applicants too, for reject inference.
    propensity : the attribute that tells by which chance each loan was approved; None = nobody asks.
    progress : told how many Cases were read so far.

    Raises
    ------
    Refused : the book holds no loan of this product with a label, or tests; or the labels are for other products, or for books of loans alone;
        or the propensity is in no attribute that can tell it.
    """
    require_real(book)
    require_loans(book, definition)
    gathering = Gathering(
        product, known_on=known_on, definition=definition, with_rejects=with_rejects, propensity=propensity
    )
    async for stored in iterate_cases(record, book, with_decisions=with_rejects):
        gathering.add(stored)
        if gathering.read % CHUNK_CASES == 0:
            progress(gathering.read)
    progress(gathering.read)
    if not gathering.read:
        raise Refused(f"book {book} holds no Case: import a tape into it first")
    return gathering.finish(book)


def require_loans(book: str, definition: LabelDefinition) -> None:
    """Refused where labels take every Case for a loan and the book holds Cases that never became one.

    Of a loan that was paid out no news is good news; of an applicant who was declined there never is any.
    """
    if definition.window_months is not None and definition.starts == "as_of" and book in API_BOOKS:
        raise Refused(
            f"labels {definition.name} begin with the Case, and book {book} holds applications that were declined, too, which would all "
            'count as good: take labels that begin with the event disbursed (starts = "disbursed")'
        )


class Gathering:
    """Collects recorded Cases, in any order, into a training set; holds numbers only, so that a million Cases fit into memory.

    Raises
    ------
    Refused : the labels are for other products, or the propensity is in no attribute that can tell it.
    """

    def __init__(
        self,
        product: Product,
        *,
        known_on: date,
        definition: LabelDefinition = AS_LAST_SEEN,
        with_rejects: bool = False,
        propensity: str | None = None,
    ) -> None:
        require_product(definition, product.name)
        self.read = 0
        self.cases = 0
        self._known_on = known_on
        self._definition = definition
        self._with_rejects = with_rejects
        self._is_declined: list[bool] = []
        self._propensity = None if propensity is None else find_propensity(product, propensity)
        self._propensities: list[float] = []
        self._product = product
        self._layout_hash = hash_layout(product)
        self._program = compile_features(product)
        self._left_out: Counter[str] = Counter()
        self._pending: list[Case] = []
        self._matrices: list[NDArray[np.float32]] = []
        self._days: list[int] = []
        self._keys: list[tuple[int, str, str]] = []
        self._persons: list[bytes] = []
        self._weights: list[float] = []
        self._events = EventRows()

    def add(self, stored: StoredCase) -> None:
        """Take one Case with its events. One of a later day than `known_on` was not known then and is passed over."""
        self.read += 1
        if stored.as_of > self._known_on:
            return
        self.cases += 1
        if stored.is_erased or stored.case is None:
            self._left_out[ERASED] += 1
            return
        case = decode_case(stored.case)
        if stored.product != self._product.name or case.layout_hash != self._layout_hash:
            self._left_out[OTHER_PRODUCT] += 1
            return
        day = days_from_date(case.as_of)
        self._events.add(len(self._days), stored.events)
        self._pending.append(case)
        self._days.append(day)
        self._keys.append((day, stored.natural_key or "", hash_content(stored.case)))
        self._persons.append(stored.person_id)
        self._weights.append(stored.sampling_weight)
        if self._propensity is not None:
            self._propensities.append(read_propensity(case.facts, self._propensity))
        self._is_declined.append(
            stored.decision is not None and decode_decision(stored.decision).outcome is Outcome.DECLINE
        )
        if len(self._pending) == CHUNK_CASES:
            self._build()

    def _build(self) -> None:
        self._matrices.append(build_case_features(self._program, self._pending).model)
        self._pending.clear()

    def finish(self, book: str) -> TrainingSet:
        """The training set of all Cases taken. Raises Refused when none of them has a label."""
        self._build()
        days = np.array(self._days, dtype=np.int32)
        labels, reasons = self._label(lay_out_rows(self._events.take(), len(days)), days)
        order = np.array(sorted(range(len(self._keys)), key=self._keys.__getitem__), dtype=np.int64)
        kept = order[labels[order] >= Label.GOOD]
        if not len(kept):
            why = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
            raise Refused(
                f"book {book} holds no loan of {self._product.name} resolved by {self._known_on}: nothing to train on"
                + (f" ({why})" if why else "")
            )
        self._left_out.update(reasons)
        matrix = np.concatenate(self._matrices)
        weights = np.array(self._weights, dtype=np.float64)
        return TrainingSet(
            book=book,
            product=self._product,
            product_hash=hash_product(self._product),
            known_on=self._known_on,
            definition=self._definition,
            columns=list_columns(self._product),
            matrix=np.ascontiguousarray(matrix[kept]),
            labels=labels[kept],
            days=days[kept],
            persons=_number_persons([self._persons[i] for i in kept.tolist()]),
            weights=weights[kept],
            propensities=None if self._propensity is None else np.array(self._propensities, dtype=np.float64)[kept],
            cases=self.cases,
            left_out=tuple(
                LeftOut(reason=reason, count=count) for reason, count in sorted(self._left_out.items()) if count
            ),
            rejects=self._take_rejects(order[labels[order] == Label.INDETERMINATE], matrix, days, weights),
        )

    def _take_rejects(
        self,
        unlabelled: NDArray[np.int64],
        matrix: NDArray[np.float32],
        days: NDArray[np.int32],
        weights: NDArray[np.float64],
    ) -> Rejects | None:
        """Those of the loans without a label that were declined and never paid out; None when they were not asked for."""
        if not self._with_rejects:
            return None
        rows = unlabelled[np.array(self._is_declined, dtype=np.bool_)[unlabelled]]
        return Rejects(matrix=np.ascontiguousarray(matrix[rows]), days=days[rows], weights=weights[rows])

    def _label(self, histories: Histories, days: NDArray[np.int32]) -> tuple[NDArray[np.int8], dict[str, int]]:
        """The labels, and how many loans have none, by reason."""
        known_on_days = days_from_date(self._known_on)
        definition = self._definition
        courses = trace_courses(histories, as_of_days=days, known_on_days=known_on_days, definition=definition)
        labels = label_courses(courses, known_on_days, definition)
        neither = labels == Label.INDETERMINATE
        if definition.window_months is None:
            return labels, {INDETERMINATE: int(neither.sum())}
        is_begun = courses.starts != NEVER
        return labels, {
            IMMATURE: int((labels == Label.IMMATURE).sum()),
            NOT_PAID_OUT: int((neither & ~is_begun).sum()),
            NEITHER: int((neither & is_begun).sum()),
        }


def _number_persons(persons: Sequence[bytes]) -> NDArray[np.int64]:
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(person, len(numbers)) for person in persons], dtype=np.int64)
