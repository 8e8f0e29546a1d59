"""Windows: sketches of days together, measured against the reference, judged by the alert rules once and for ever. Edge.

    days of a window -> the release that decided most of it -> one sketch -> measurements (+ ripe labels of an earlier window)
    measurements + states after the window before -> alerts that open and close -> window and alerts in one statement

The law: windows are judged in order, each once; what a window found stays as it was found, whatever is learned later. The states that the next
window begins with lie in the report of the last one, so nothing is lost between two runs.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date, timedelta
from functools import reduce
from typing import Final, Literal

import msgspec
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.canonical import encode_canonical
from instant_credit.outcome.alerts import AlertEvent, AlertRules, AlertState, encode_rules, judge_window, window_of
from instant_credit.outcome.definition import LabelDefinition, hash_definition
from instant_credit.outcome.estimates import Band, Ripened, list_bands
from instant_credit.outcome.measures import Measurement, measure_ripened, measure_window
from instant_credit.outcome.sketches import OUTCOMES, Sketch, merge_sketches
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.pool import Record
from instant_credit.record.sketches import (
    SketchRow,
    WindowRow,
    add_window,
    find_sketched_span,
    list_sketches,
    list_windows,
)
from instant_credit.review.labelling import Labelling, choose_maturities
from instant_credit.review.references import Reference, find_references
from instant_credit.review.ripening import cohort_of, read_ripened
from instant_credit.review.sketching import last_settled_day


class OutcomeCount(Struct, frozen=True, kw_only=True):
    """How many Cases ended so."""

    outcome: str
    cases: int


class ReasonCount(Struct, frozen=True, kw_only=True):
    """How many Cases have this first reason."""

    reason: str
    cases: int


class Maturity(Struct, frozen=True, kw_only=True):
    """Labels of an earlier window's loans, as known at this window's end. `unresolved` are neither good nor bad then.

    `days` is the maturity that the rules name; the loans are older where their labels take longer to ripen.
    """

    days: int
    first_on: date
    last_on: date
    loans: int
    bads: int
    unresolved: int
    erased: int
    bands: tuple[Band, ...]


class WindowReport(Struct, frozen=True, kw_only=True):
    """What monitoring found in one window.

    Attributes
    ----------
    cases : of the release that decided most; `other_cases` were decided by others, `erased` could not be opened.
    labels : hash of the definition that labels the loans of `maturities`; None in reports from before it was told: as last seen.
    states : where each rule stands with each subject afterwards, unless at its beginning.
    """

    schema_version: Literal[1] = 1
    book: str
    product: str
    first_on: date
    last_on: date
    release_hash: str
    reference_hash: str
    cases: int
    other_cases: int
    erased: int
    outcomes: tuple[OutcomeCount, ...]
    reasons: tuple[ReasonCount, ...]
    measurements: tuple[Measurement, ...]
    maturities: tuple[Maturity, ...] = ()
    labels: str | None = None
    states: tuple[AlertState, ...] = ()


class JudgedWindow(Struct, frozen=True, kw_only=True):
    """A window that a run judged, and what it did to alerts."""

    report: WindowReport
    events: tuple[AlertEvent, ...]


_DECODER: Final = msgspec.json.Decoder(WindowReport)


def decode_report(raw: bytes) -> WindowReport:
    """The report behind a recorded window's bytes."""
    return _DECODER.decode(raw)


async def judge_book(
    record: Record,
    book: str,
    rules: AlertRules,
    actor: Actor,
    progress: Callable[[JudgedWindow], None] = lambda _: None,
    *,
    definition: LabelDefinition | None = None,
) -> tuple[JudgedWindow, ...]:
    """Judge every window of a book that is over, sketched, and not judged yet, product by product; the rules are recorded.

    Parameters
    ----------
    definition : labels ripe loans; None = by the definition that the model of the window's release was trained by.

    Raises
    ------
    Refused : the definition is not for a product that is monitored.
    """
    span = await find_sketched_span(record, book)
    if span is None:
        return ()
    rules_hash = await put_document(record, DocumentKind.ALERT_RULES, encode_rules(rules), actor)
    references = {one.reference_hash: one for one in (await find_references(record)).values()}
    until = last_settled_day(record.clock.now())
    labelling = Labelling(record, actor, definition)
    judged = []
    for product in sorted({one.reference.product for one in references.values()}):
        judge = _Judge(
            record,
            book=book,
            product=product,
            rules=rules,
            rules_hash=rules_hash,
            references=references,
            labelling=labelling,
        )
        async for one in judge.iterate(span[0], until, actor):
            judged.append(one)
            progress(one)
    return tuple(judged)


class _Judge:
    """Goes through one product's windows."""

    def __init__(
        self,
        record: Record,
        *,
        book: str,
        product: str,
        rules: AlertRules,
        rules_hash: str,
        references: Mapping[str, Reference],
        labelling: Labelling,
    ) -> None:
        self._record = record
        self._book = book
        self._product = product
        self._rules = rules
        self._rules_hash = rules_hash
        self._references = references
        self._labelling = labelling

    async def iterate(self, first_on: date, until: date, actor: Actor) -> AsyncIterator[JudgedWindow]:
        """Judge windows from the one after the last one judged, or else from the day `first_on`, to the last that is over by `until`."""
        latest = await list_windows(self._record, self._book, self._product, 1)
        states: tuple[AlertState, ...] = ()
        start, end = window_of(first_on, self._rules.window_days)
        if latest:
            states = decode_report(latest[0].report).states
            start, end = window_of(latest[0].last_on, self._rules.window_days)
            while start <= latest[0].last_on:
                start, end = end + timedelta(days=1), end + timedelta(days=self._rules.window_days)
        while end <= until:
            one = await self._judge(start, end, states)
            if one is not None:
                if not await self._write(one, actor):
                    return
                states = one.report.states
                yield one
            start, end = end + timedelta(days=1), end + timedelta(days=self._rules.window_days)

    async def _judge(self, first_on: date, last_on: date, states: tuple[AlertState, ...]) -> JudgedWindow | None:
        """The window, or None where nothing was decided in it that has a reference."""
        known = {reference_hash: one.reference for reference_hash, one in self._references.items()}
        rows = await list_sketches(self._record, self._book, first_on, last_on, known)
        rows = tuple(row for row in rows if row.product == self._product)
        chosen = _choose_release(rows)
        if not chosen:
            return None
        sketch = reduce(merge_sketches, (row.sketch for row in chosen))
        reference_hash, release_hash = chosen[0].reference_hash, chosen[0].release_hash
        reference = known[reference_hash]
        measurements = [*measure_window(reference, sketch)]
        definition = await self._labelling.find(release_hash, self._product)
        maturities = []
        for days, after in choose_maturities(self._rules.maturities_days, definition).items():
            ripened, loans_on = await self._read_ripe(release_hash, last_on, after, definition)
            maturities.append(_tell_maturity(days, loans_on, ripened))
            measurements += measure_ripened(ripened, str(days))
        judged = judge_window(self._rules, states, measurements, last_on)
        report = WindowReport(
            book=self._book,
            product=self._product,
            first_on=first_on,
            last_on=last_on,
            release_hash=release_hash,
            reference_hash=reference_hash,
            cases=sketch.cases,
            other_cases=sum(row.sketch.cases for row in rows) - sketch.cases,
            erased=sketch.erased,
            outcomes=_tell_outcomes(sketch),
            reasons=tuple(ReasonCount(reason=reason, cases=cases) for reason, cases in sketch.reasons),
            measurements=tuple(measurements),
            maturities=tuple(maturities),
            labels=hash_definition(definition),
            states=judged.states,
        )
        return JudgedWindow(report=report, events=judged.events)

    async def _read_ripe(
        self, release_hash: str, last_on: date, after_days: int, definition: LabelDefinition
    ) -> tuple[Ripened, tuple[date, date]]:
        """Labels as known on the window's last day of loans so many days old, and the first and last day of these."""
        start, end = cohort_of(last_on, after_days, self._rules.window_days)
        ripened = await read_ripened(
            self._record,
            self._book,
            release_hash,
            first_on=start,
            last_on=end,
            known_on=last_on,
            definition=definition,
        )
        return ripened, (start, end)

    async def _write(self, judged: JudgedWindow, actor: Actor) -> bool:
        """Record the window; False when another run was faster."""
        report = judged.report
        row = WindowRow(
            book=report.book,
            product=report.product,
            first_on=report.first_on,
            last_on=report.last_on,
            rules_hash=self._rules_hash,
            release_hash=report.release_hash,
            reference_hash=report.reference_hash,
            cases=report.cases,
            report=encode_canonical(report),
        )
        return await add_window(self._record, row, judged.events, actor)


def _choose_release(rows: tuple[SketchRow, ...]) -> tuple[SketchRow, ...]:
    """The sketches of the release that decided most, in the bins of the reference that holds most of them; ties by hash."""
    counted: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counted[row.release_hash, row.reference_hash] += row.sketch.cases
    most = min(counted, key=lambda one: (-counted[one], one), default=None)
    if most is None or not counted[most]:
        return ()
    return tuple(row for row in rows if (row.release_hash, row.reference_hash) == most)


def _tell_maturity(days: int, loans_on: tuple[date, date], ripened: Ripened) -> Maturity:
    return Maturity(
        days=days,
        first_on=loans_on[0],
        last_on=loans_on[1],
        loans=ripened.loans,
        bads=sum(ripened.bads),
        unresolved=ripened.unresolved,
        erased=ripened.erased,
        bands=list_bands(ripened),
    )


def _tell_outcomes(sketch: Sketch) -> tuple[OutcomeCount, ...]:
    return tuple(
        OutcomeCount(outcome=outcome, cases=cases) for outcome, cases in zip(OUTCOMES, sketch.outcomes, strict=True)
    )
