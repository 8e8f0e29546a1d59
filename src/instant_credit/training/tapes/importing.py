"""Importing a tape: rows become recorded Cases with their repayment events. Edge.

    file -> chunks of rows (+ joined files) -> values (mapping) -> Facts (the product's own door) -> Entries -> one transaction a chunk

Every row of the file is recorded, was recorded already, or stands in the rejects file with its column and reason. Ids are derived
from book and natural key, so that the same tape imported again, or after a kill in the middle, records exactly what is missing.
Of a Case that was recorded already only events are added: those that a newer tape tells and the record lacks.
The rejects file is written beside its place and moved there whole at the end.

While one chunk is being committed the next one is prepared in a thread.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.application.document import encode_product, hash_layout
from instant_credit.application.door import Door
from instant_credit.application.facts import Facts, Monitoring
from instant_credit.application.fields import CODE_MISSING
from instant_credit.application.product import Product
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.decision import Decision
from instant_credit.decision.release import Release
from instant_credit.errors import Refused, require
from instant_credit.outcome.events import RepaymentEvent, encode_content
from instant_credit.outcome.inbound import check_book
from instant_credit.outcome.labels import Label, label_outcome
from instant_credit.record.commit import commit_entries, commit_events
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.ids import bucket_of, derive_id
from instant_credit.record.pool import Record
from instant_credit.record.repayments import write_event
from instant_credit.record.rows import Entry, EventRow
from instant_credit.record.sealing import bucket_of_person
from instant_credit.training.tapes.files import CHUNK_ROWS, TapeChunk, count_rows, read_tape
from instant_credit.training.tapes.joining import JoinedFiles
from instant_credit.training.tapes.keys import JoinCount
from instant_credit.training.tapes.parts import TapeMapping
from instant_credit.training.tapes.resolved import Resolved
from instant_credit.training.tapes.rows import Reject, RowReader, TapeRow
from instant_credit.underwriting.course import API_BOOKS

_ENCODER: Final = msgspec.json.Encoder()


_REJECTED_SHARE_TOLD: Final = 0.2


class RejectCount(Struct, frozen=True, kw_only=True):
    """How many `rows` were rejected for one condition (`code`) of one column, with the reason as the first of them has it."""

    column: str
    code: str
    reason: str
    rows: int


class ImportSummary(Struct, frozen=True, kw_only=True):
    """What an import did so far: ``rows_in = recorded + already + rejected``; `rows_total` is None where only reading tells.

    `resolved` are the rows that were not rejected, by the label that this tape's events give them today. `events_added` to Cases that were recorded already, of which `undecided` were to be decided and never are. `joins` say how tape and
    joined files met, `monitoring_unread` how many cells of a prohibited attribute were in none of its categories and count as not
    told, `reject_counts` why rows were rejected, the commonest first; all three at the end.
    """

    rows_in: int = 0
    recorded: int = 0
    already: int = 0
    rejected: int = 0
    resolved: Resolved = Resolved()
    events_added: int = 0
    undecided: int = 0
    rows_total: int | None = None
    joins: tuple[JoinCount, ...] = ()
    monitoring_unread: dict[str, int] = {}
    reject_counts: tuple[RejectCount, ...] = ()
    is_complete: bool = False

    @property
    def reject_advice(self) -> str | None:
        """The share of rejected rows and their commonest reason, once more than a fifth of the rows is rejected; None before."""
        if not self.reject_counts or self.rejected <= _REJECTED_SHARE_TOLD * self.rows_in:
            return None
        first = self.reject_counts[0]
        column = f"column {first.column}: " if first.column else ""
        return f"{self.rejected / self.rows_in:.0%} of the rows are rejected, {first.rows:,} of them because of {column}{first.reason}"

    @property
    def outcome_fault(self) -> str | None:
        """Why training will refuse this tape's loans alone; None when it need not, or when no row was kept that could tell."""
        return None if self.rejected == self.rows_in else self.resolved.fault


class TapeImport(Struct, frozen=True, kw_only=True):
    """What is to be imported: where from, by which mapping, into which book.

    `files` are the paths of the files that the mapping joins, by their names there. `decide_with` decides every Case under that
    release, None records the Cases alone. `rows_max` reads the first rows only.
    """

    path: Path
    files: dict[str, Path] = {}
    mapping: TapeMapping
    product: Product
    book: str
    rejects_path: Path
    decide_with: Release | None = None
    rows_max: int | None = None
    chunk_rows: int = CHUNK_ROWS


class _Prepared(Struct, frozen=True):
    """A chunk of `rows_in` rows; `events` of each entry by its case id."""

    rows_in: int
    entries: list[Entry]
    events: dict[UUID, tuple[RepaymentEvent, ...]]
    rejects: list[list[Reject]]
    resolved: Resolved


async def import_tape(
    record: Record, tape: TapeImport, actor: Actor, progress: Callable[[ImportSummary], None] = lambda _: None
) -> ImportSummary:
    """Import a tape; `progress` is told after every chunk.

    Raises
    ------
    Refused : the file is no tape of this mapping, or damaged; what was read before is recorded, and the same import goes on from there.
    Unavailable : the record did not answer; the same import goes on from there.
    """
    _check_book(tape.book)
    product_raw = encode_product(tape.product)
    product_hash = hash_content(product_raw)
    if tape.decide_with is not None and tape.decide_with.manifest.product_hash != product_hash:
        raise Refused(f"the release is for another version of {tape.product.name}: import with the release's product")
    summary = ImportSummary(rows_total=_count_total(tape))
    source = await asyncio.to_thread(_Source, record, tape, product_hash)
    stored_hash = await put_document(record, DocumentKind.PRODUCT, product_raw, actor)
    require(stored_hash == product_hash, "a document is stored under the hash of its bytes")
    with _open_rejects(tape.rejects_path) as rejects_file:
        following = asyncio.create_task(asyncio.to_thread(next, source, None))
        try:
            while (prepared := await following) is not None:
                following = asyncio.create_task(asyncio.to_thread(next, source, None))
                rejects_file.writelines(
                    _ENCODER.encode(reject) + b"\n" for rejects in prepared.rejects for reject in rejects
                )
                summary = await _commit_chunk(record, prepared, actor, summary, is_decided=tape.decide_with is not None)
                progress(summary)
        finally:
            await _leave(following)
    require(
        summary.rows_in == summary.recorded + summary.already + summary.rejected,
        "every row is recorded, was recorded already, or is rejected",
    )
    summary = msgspec.structs.replace(
        summary,
        rows_total=summary.rows_in,
        joins=source.joined.count(),
        monitoring_unread=source.monitoring_unread,
        reject_counts=source.reject_counts,
        is_complete=True,
    )
    progress(summary)
    return summary


async def _commit_chunk(
    record: Record, prepared: _Prepared, actor: Actor, summary: ImportSummary, *, is_decided: bool
) -> ImportSummary:
    """Record what is new, then the events that Cases of before lack; both may be done again after a failure in between."""
    committed = await commit_entries(record, prepared.entries, actor)
    standing = [(one, entry) for one, entry in zip(committed, prepared.entries, strict=True) if one.kind == "existing"]
    events = {one.case_id: _write_events(one.case_id, prepared.events[entry.case_id]) for one, entry in standing}
    added = await commit_events(record, events, actor, record.clock.now()) if any(events.values()) else 0
    return msgspec.structs.replace(
        summary,
        rows_in=summary.rows_in + prepared.rows_in,
        recorded=summary.recorded + len(committed) - len(standing),
        already=summary.already + len(standing),
        rejected=summary.rejected + len(prepared.rejects),
        resolved=summary.resolved + prepared.resolved,
        events_added=summary.events_added + added,
        undecided=summary.undecided + sum(1 for one, _ in standing if is_decided and one.decision_id is None),
    )


async def _leave(preparing: asyncio.Task[_Prepared | None]) -> None:
    """Wait for the thread that prepares a chunk which nobody needs any more. What it came to has no say in why the import ends."""
    await asyncio.wait({preparing})
    if not preparing.cancelled():
        preparing.exception()


@contextmanager
def _open_rejects(path: Path) -> Iterator[BinaryIO]:
    """A draft of its own beside `path`, moved there when the import came to its end and deleted when it did not.

    Two imports into one book write two drafts, so that neither mixes with the other; the later one to end stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise Refused(f"the rejects file {path} can't be written: {error.strerror}") from error
    draft = Path(name)
    try:
        with open(number, "wb") as file:  # noqa: PTH123 it is open already, and named by its number
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _check_book(book: str) -> None:
    check_book(book)
    if book in API_BOOKS:
        raise Refused(f"book {book} holds what came in through the API: import into another one (--book NAME)")


def _count_total(tape: TapeImport) -> int | None:
    total = count_rows(tape.path)
    if tape.rows_max is None:
        return total
    return tape.rows_max if total is None else min(total, tape.rows_max)


class _Source(Iterator[_Prepared]):
    """Prepares one chunk after another; touches neither the event loop nor the database."""

    def __init__(self, record: Record, tape: TapeImport, product_hash: str) -> None:
        self._record = record
        self._tape = tape
        self._product_hash = product_hash
        self._layout_hash = hash_layout(tape.product)
        self._now = record.clock.now()
        self._door = Door(tape.product)
        self.joined = JoinedFiles(tape.mapping, tape.product, tape.files)
        self._reader = RowReader(tape.mapping, tape.product, self._now.date(), self.joined)
        self._columns = {name: ", ".join(fact.all_columns) for name, fact in tape.mapping.facts.items()}
        self._chunks = read_tape(tape.path, tape.mapping.file, tape.mapping.needed_columns, tape.chunk_rows)
        self._rows_left = tape.rows_max
        self._reject_rows: Counter[tuple[str, str]] = Counter()
        self._reject_reasons: dict[tuple[str, str], str] = {}

    @property
    def monitoring_unread(self) -> dict[str, int]:
        """Cells of prohibited attributes that are none of their categories, by attribute."""
        return {name: count for name, count in sorted(self._reader.monitoring_unread.items()) if count}

    @property
    def reject_counts(self) -> tuple[RejectCount, ...]:
        """Why rows were rejected, the commonest first."""
        return tuple(
            RejectCount(column=column, code=code, reason=self._reject_reasons[column, code], rows=rows)
            for (column, code), rows in self._reject_rows.most_common()
        )

    def _count_reasons(self, rejects: list[Reject]) -> None:
        for reject in rejects:
            self._reject_reasons.setdefault((reject.column, reject.code), reject.reason)
        self._reject_rows.update(list(dict.fromkeys((reject.column, reject.code) for reject in rejects)))

    def __next__(self) -> _Prepared:
        """The next chunk's rows, checked, decided and laid out as Entries."""
        if self._rows_left == 0:
            raise StopIteration
        chunk = next(self._chunks)
        if self._rows_left is not None:
            chunk = _cut_chunk(chunk, self._rows_left)
            self._rows_left -= chunk.row_count
        told: list[tuple[TapeRow, Case]] = []
        rejects: list[list[Reject]] = []
        for row in self._reader.read_chunk(chunk):
            checked = row if isinstance(row, list) else self._check_row(row)
            if isinstance(checked, list):
                rejects.append(checked)
                self._count_reasons(checked)
            elif isinstance(row, TapeRow):
                told.append((row, self._make_case(row, checked)))
        decisions: list[Decision] | list[None] = [None] * len(told)
        if self._tape.decide_with is not None:
            decisions = decide_many([case for _, case in told], self._tape.decide_with)
        entries = [
            self._write_entry(row, case, decision) for (row, case), decision in zip(told, decisions, strict=True)
        ]
        events = {entry.case_id: row.events for entry, (row, _) in zip(entries, told, strict=True)}
        labels = Counter(label_outcome(row.events, known_on=self._now.date()) for row, _ in told)
        resolved = Resolved(goods=labels[Label.GOOD], bads=labels[Label.BAD], unresolved=labels[Label.INDETERMINATE])
        return _Prepared(chunk.row_count, entries, events, rejects, resolved)

    def _check_row(self, row: TapeRow) -> Facts | list[Reject]:
        """The product's door has the last word on types, ranges and what is required."""
        found = self._door.check_facts(row.values, row.as_of)
        if isinstance(found, Facts):
            return found
        rejects = []
        for problem in found:
            attribute = problem.pointer.rpartition("/")[2]
            column = self._columns.get(attribute, "")
            reason = f"{attribute}: {problem.message}"
            rejects.append(Reject(row=row.row, column=column, code=problem.code, reason=reason))
        return rejects

    def _make_case(self, row: TapeRow, facts: Facts) -> Case:
        return Case(product_hash=self._product_hash, layout_hash=self._layout_hash, as_of=row.as_of, facts=facts)

    def _write_entry(self, row: TapeRow, case: Case, decision: Decision | None) -> Entry:
        person_id = self._record.key_ring.person_id_of(row.person_key)
        bucket = bucket_of_person(person_id)
        at = datetime.combine(row.as_of, time(), UTC)
        seed = f"{self._tape.book}\x00{row.natural_key}\x00".encode()
        case_id = derive_id(bucket, at, seed + b"case")
        return Entry(
            person_id=person_id,
            book=self._tape.book,
            product=self._tape.product.name,
            product_hash=self._product_hash,
            as_of=row.as_of,
            case_id=case_id,
            case=encode_canonical(case),
            monitoring=_write_monitoring(row.monitoring),
            natural_key=row.natural_key,
            sampling_weight=row.sampling_weight,
            decision_id=None if decision is None else derive_id(bucket, at, seed + b"decision"),
            decision=None if decision is None else encode_canonical(decision),
            release_hash=None if decision is None else decision.release_hash,
            outcome=None if decision is None else decision.outcome.value,
            events=_write_events(case_id, row.events),
            recorded_at=self._now,
        )


def _write_monitoring(codes: tuple[int, ...]) -> bytes | None:
    """Prohibited attributes as they are sealed, None when none is told."""
    return encode_canonical(Monitoring(codes=codes)) if any(code != CODE_MISSING for code in codes) else None


def _write_events(case_id: UUID, events: Sequence[RepaymentEvent]) -> tuple[EventRow, ...]:
    """An event's id is its Case and its content, so that a Case holds each event once, whichever tape told it."""
    return tuple(
        write_event(
            event,
            derive_id(
                bucket_of(case_id), datetime.combine(event.known_on, time(), UTC), case_id.bytes + encode_content(event)
            ),
        )
        for event in events
    )


def _cut_chunk(chunk: TapeChunk, rows_max: int) -> TapeChunk:
    if chunk.row_count <= rows_max:
        return chunk
    return TapeChunk(
        first_row=chunk.first_row,
        row_count=rows_max,
        columns={name: cells[:rows_max] for name, cells in chunk.columns.items()},
        broken={place: reason for place, reason in chunk.broken.items() if place < rows_max},
    )
