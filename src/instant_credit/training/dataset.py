"""The training set: recorded Cases of a book with their labels, as numbers. Edge.

    Cases (chunks) -> Facts -> pack -> build (the kernels that serve) -> matrix float32[n, m]
    events         -> labels as known on a date                      -> int8[n], 0 good, 1 bad

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
from instant_credit.application.product import AttributeType, Direction, Product
from instant_credit.canonical import hash_content
from instant_credit.decision.case import Case, build_case_features, decode_case
from instant_credit.errors import Refused
from instant_credit.features.program import compile_features
from instant_credit.outcome.events import EventKind
from instant_credit.outcome.labels import KIND_CODES, Label, label_outcomes
from instant_credit.record.pool import Record
from instant_credit.record.reads import CHUNK_CASES, iterate_cases
from instant_credit.record.rows import StoredCase
from instant_credit.underwriting.course import require_real
from instant_credit.units import days_from_date

OTHER_PRODUCT: Final = "recorded under another product, or under a version of it with other attributes"
ERASED: Final = "erased: the person's key was destroyed"
INDETERMINATE: Final = "neither repaid nor charged off as known on that day"


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
    """

    columns: ModelColumns
    matrix: NDArray[np.float32]
    labels: NDArray[np.int8]
    days: NDArray[np.int32]
    persons: NDArray[np.int64]
    weights: NDArray[np.float64]

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
        )


class TrainingSet(Loans, frozen=True, kw_only=True, eq=False):
    """Resolved loans of a book. `persons` are numbered in order of first appearance; `cases` counts Cases used or not."""

    book: str
    product: Product
    product_hash: str
    known_on: date
    cases: int
    left_out: tuple[LeftOut, ...]

    @property
    def is_weighted(self) -> bool:
        """Whether some loan stands for more of the lender's loans than another."""
        return bool((self.weights != self.weights[0]).any())


def list_columns(product: Product) -> ModelColumns:
    """The columns that `features.build` gives the model for `product`."""
    categories = {a.name: a.categories for a in product.attributes if a.type is AttributeType.CATEGORY}
    variables = product.model_variables
    return ModelColumns(
        names=tuple(v.name for v in variables),
        directions=tuple(v.direction for v in variables),
        categories=tuple(categories[v.of[0]] if v.op == "category" else () for v in variables),
    )


async def gather_training_set(
    record: Record,
    *,
    book: str,
    product: Product,
    known_on: date,
    progress: Callable[[int], None] = lambda _: None,
) -> TrainingSet:
    """Read a book and turn it into numbers.

    Parameters
    ----------
    product : whose variables are computed; Cases of an earlier version count when its attributes were the same.
    known_on : labels are what was known on this day, inclusive.
    progress : told how many Cases were read so far.

    Raises
    ------
    Refused : the book holds no resolved loan of this product, or tests.
    """
    require_real(book)
    product_hash = hash_product(product)
    gathering = _Gathering(product)
    async for stored in iterate_cases(record, book):
        gathering.add(stored)
        if gathering.cases % CHUNK_CASES == 0:
            progress(gathering.cases)
    progress(gathering.cases)
    if not gathering.cases:
        raise Refused(f"book {book} holds no Case: import a tape into it first")
    return gathering.finish(book, product_hash, known_on)


class _Gathering:
    """Collects chunks; holds numbers only, so that a million Cases fit into memory."""

    def __init__(self, product: Product) -> None:
        self.cases = 0
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
        self._events: list[tuple[int, int, int, int]] = []

    def add(self, stored: StoredCase) -> None:
        self.cases += 1
        if stored.is_erased or stored.case is None:
            self._left_out[ERASED] += 1
            return
        case = decode_case(stored.case)
        if stored.product != self._product.name or case.layout_hash != self._layout_hash:
            self._left_out[OTHER_PRODUCT] += 1
            return
        loan = len(self._days)
        day = days_from_date(case.as_of)
        self._pending.append(case)
        self._days.append(day)
        self._keys.append((day, stored.natural_key or "", hash_content(stored.case)))
        self._persons.append(stored.person_id)
        self._weights.append(stored.sampling_weight)
        for event in stored.events:
            kind = KIND_CODES[EventKind(event.kind)]
            self._events.append((loan, kind, days_from_date(event.event_on), days_from_date(event.known_on)))
        if len(self._pending) == CHUNK_CASES:
            self._build()

    def _build(self) -> None:
        self._matrices.append(build_case_features(self._program, self._pending).model)
        self._pending.clear()

    def finish(self, book: str, product_hash: str, known_on: date) -> TrainingSet:
        self._build()
        events = np.array(self._events, dtype=np.int64).reshape(len(self._events), 4)
        labels = label_outcomes(
            loan_count=len(self._days),
            loans=np.ascontiguousarray(events[:, 0]),
            kinds=events[:, 1].astype(np.int8),
            event_days=events[:, 2].astype(np.int32),
            known_days=events[:, 3].astype(np.int32),
            known_on_days=days_from_date(known_on),
        )
        order = np.array(sorted(range(len(self._keys)), key=self._keys.__getitem__), dtype=np.int64)
        kept = order[labels[order] != Label.INDETERMINATE]
        if not len(kept):
            raise Refused(
                f"book {book} holds no loan of {self._product.name} resolved by {known_on}: nothing to train on"
            )
        self._left_out[INDETERMINATE] += len(order) - len(kept)
        return TrainingSet(
            book=book,
            product=self._product,
            product_hash=product_hash,
            known_on=known_on,
            columns=list_columns(self._product),
            matrix=np.ascontiguousarray(np.concatenate(self._matrices)[kept]),
            labels=labels[kept],
            days=np.array(self._days, dtype=np.int32)[kept],
            persons=_number_persons([self._persons[i] for i in kept.tolist()]),
            weights=np.array(self._weights, dtype=np.float64)[kept],
            cases=self.cases,
            left_out=tuple(
                LeftOut(reason=reason, count=count) for reason, count in sorted(self._left_out.items()) if count
            ),
        )


def _number_persons(persons: Sequence[bytes]) -> NDArray[np.int64]:
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(person, len(numbers)) for person in persons], dtype=np.int64)
