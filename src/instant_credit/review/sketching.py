"""Sketches of days: recorded Cases and Decisions, counted once a day and release in the bins of the release's reference. Edge.

    days whose Cases are not all sketched -> Cases (chunks) -> variables by the kernels that decided -> counts -> one row a day and release

The law: a day is written whole or not at all, from the record alone. So it does not matter how often the job is started, by how many at once, or
when it is killed: the rows that come out are the same. Only days that are over are counted. A day that gained Cases since (a tape imported
later) is counted again under the next revision. Cases of erased persons are counted apart; those of an earlier revision stay as they were.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.decision.case import decode_case
from instant_credit.decision.decision import decode_decision
from instant_credit.outcome.sketches import Sketch, SketchReference, count_sketch, empty_sketch, merge_sketches
from instant_credit.record.pool import Record
from instant_credit.record.reads import CHUNK_CASES, iterate_decided
from instant_credit.record.rows import StoredCase
from instant_credit.record.sketches import (
    DAYS_MAX,
    DayCount,
    SketchedDay,
    SketchRow,
    add_sketch,
    count_decided,
    find_first_day,
    find_sketched_span,
    ids_of_day,
    list_sketched,
)
from instant_credit.review.observing import Columns, observe, read_columns
from instant_credit.review.references import Reference, find_references
from instant_credit.underwriting.course import require_real

SETTLED_AFTER: Final = timedelta(minutes=10)
"""A day's last Case is committed long before: a statement is given up after 30 s."""

LATE_DAYS: Final = 35
"""So many days before the last one that is sketched are looked at again."""


class SketchRun(Struct, frozen=True, kw_only=True):
    """What a run did. `without_reference` are releases that decided and have nothing to be compared with."""

    days: int = 0
    cases: int = 0
    erased: int = 0
    without_reference: tuple[str, ...] = ()


def last_settled_day(now: datetime) -> date:
    """The last day (UTC) whose Cases are all recorded at the instant `now`."""
    return (now - SETTLED_AFTER).astimezone(UTC).date() - timedelta(days=1)


async def sketch_book(
    record: Record,
    book: str,
    actor: Actor,
    *,
    since: date | None = None,
    progress: Callable[[SketchRun], None] = lambda _: None,
) -> SketchRun:
    """Sketch what is not sketched yet of a book's decided Cases, until the last day that is over.

    Parameters
    ----------
    since : the first day to look at; by default `LATE_DAYS` before the last one sketched, and the book's first day where a reference has
        no sketch yet.
    progress : told after every day.

    Raises
    ------
    Refused : the book is the one of tests.
    """
    require_real(book)
    references = await find_references(record)
    counter = _Counter(record, book, actor, references)
    last_on = last_settled_day(record.clock.now())
    first_on = since or await _find_start(record, book, references, last_on)
    run = SketchRun()
    while first_on is not None and first_on <= last_on:
        days = min(DAYS_MAX, (last_on - first_on).days + 1)
        counted = await count_decided(record, book, first_on, days)
        sketched = await list_sketched(record, book, first_on, first_on + timedelta(days=days - 1))
        without = {one.release_hash for one in counted if one.release_hash not in references}
        run = replace(run, without_reference=tuple(sorted({*run.without_reference, *without})))
        for day_on, wanted in _list_missing(counted, sketched, references):
            cases, erased = await counter.count(day_on, wanted)
            run = replace(run, days=run.days + 1, cases=run.cases + cases, erased=run.erased + erased)
            progress(run)
        first_on += timedelta(days=days)
    return run


async def _find_start(record: Record, book: str, references: Mapping[str, Reference], last_on: date) -> date | None:
    span = await find_sketched_span(record, book)
    if span is not None:
        sketched = {one.reference_hash for one in await list_sketched(record, book, span[0], last_on)}
        if {one.reference_hash for one in references.values()} <= sketched:
            return span[1] - timedelta(days=LATE_DAYS)
    return await find_first_day(record, book)


def _list_missing(
    counted: Sequence[DayCount], sketched: Sequence[SketchedDay], references: Mapping[str, Reference]
) -> list[tuple[date, dict[str, int]]]:
    """Days with the releases whose Cases are not all sketched, each with the revision that is due."""
    known = {(one.day_on, one.release_hash, one.reference_hash): one for one in sketched}
    missing: dict[date, dict[str, int]] = {}
    for one in counted:
        if one.release_hash in references:
            stands = known.get((one.day_on, one.release_hash, references[one.release_hash].reference_hash))
            if stands is None or stands.cases < one.cases:
                revision = 1 if stands is None else stands.revision + 1
                missing.setdefault(one.day_on, {})[one.release_hash] = revision
    return sorted(missing.items())


class _Counter:
    """Counts days; holds one chunk of Cases and one sketch a release."""

    def __init__(self, record: Record, book: str, actor: Actor, references: Mapping[str, Reference]) -> None:
        self._record = record
        self._book = book
        self._actor = actor
        self._references = references
        self._columns: dict[str, Columns] = {}

    async def count(self, day_on: date, wanted: Mapping[str, int]) -> tuple[int, int]:
        """Sketch one day's Cases of some releases, each under its revision; how many could be opened, and how many not."""
        sketches = {one: _nobody(self._references[one].reference) for one in wanted}
        erased: Counter[str] = Counter()
        waiting: list[StoredCase] = []
        async for stored in iterate_decided(self._record, self._book, ids_of_day(day_on)):
            if stored.release_hash is None or stored.release_hash not in wanted:
                continue
            if stored.case is None or stored.decision is None:
                erased[stored.release_hash] += 1
                continue
            waiting.append(stored)
            if len(waiting) == CHUNK_CASES:
                await self._add(waiting, sketches)
                waiting = []
        await self._add(waiting, sketches)
        for release_hash, sketch in sorted(sketches.items()):
            reference = self._references[release_hash]
            row = SketchRow(
                book=self._book,
                product=reference.reference.product,
                release_hash=release_hash,
                reference_hash=reference.reference_hash,
                day_on=day_on,
                revision=wanted[release_hash],
                sketch=replace(sketch, erased=erased[release_hash]),
            )
            await add_sketch(self._record, row, self._actor)
        return sum(sketch.cases for sketch in sketches.values()), erased.total()

    async def _add(self, waiting: Sequence[StoredCase], sketches: dict[str, Sketch]) -> None:
        for release_hash in sorted({one.release_hash for one in waiting if one.release_hash is not None}):
            if release_hash not in self._columns:
                self._columns[release_hash] = await read_columns(self._record, release_hash)
            chosen = [one for one in waiting if one.release_hash == release_hash]
            reference = self._references[release_hash].reference
            counted = await asyncio.to_thread(_count, self._columns[release_hash], reference, chosen)
            sketches[release_hash] = merge_sketches(sketches[release_hash], counted)


def _nobody(reference: SketchReference) -> Sketch:
    return empty_sketch(reference.variables, reference.score_borders_ppm)


def _count(columns: Columns, reference: SketchReference, stored: Sequence[StoredCase]) -> Sketch:
    cases = [decode_case(one.case) for one in stored if one.case is not None]
    decisions = [decode_decision(one.decision) for one in stored if one.decision is not None]
    return count_sketch(reference.variables, reference.score_borders_ppm, observe(columns, cases, decisions))
