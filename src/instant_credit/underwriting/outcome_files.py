"""Files of outcomes: lines of JSON, tables with commas and Metro 2 reports, taken in chunk by chunk; and lines that come out of quarantine.

A chunk is read in a thread while the one before it is judged and the one before that recorded, so memory is bounded by three chunks and by what the
intake remembers.
"""

import asyncio
import gc
import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, cast
from uuid import UUID

import msgspec
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.errors import Refused
from instant_credit.outcome.inbound import TableReader, Telling, check_book, read_json
from instant_credit.outcome.lines import LineSplitter
from instant_credit.outcome.metro2 import MonthlyReport, blank_unread, read_report, tell_report
from instant_credit.outcome.sequence import Fault
from instant_credit.record.pool import Record
from instant_credit.record.quarantine import Origin, QuarantinedLine, end_quarantine, list_quarantined, open_quarantined
from instant_credit.underwriting.outcomes import EVENTS_HELD, Intake, Line
from instant_credit.underwriting.taken import OutcomesTaken, TakenLine

CHUNK_LINES: Final = 5_000
BLOCK_BYTES: Final = 1_048_576
# New objects after which garbage is looked for: events leave none behind, and millions of them are held.
GARBAGE_OBJECTS: Final = 500_000

# What reads one line; None = it tells of no loan.
LineReader = Callable[[bytes], Telling | Fault | None]


class FileFormat(StrEnum):
    """What the lines of a file are."""

    NDJSON = "ndjson"
    CSV = "csv"
    METRO2 = "metro2"


_SUFFIXES: Final = {
    ".ndjson": FileFormat.NDJSON,
    ".jsonl": FileFormat.NDJSON,
    ".csv": FileFormat.CSV,
    ".metro2": FileFormat.METRO2,
}
_RECORDED_AS: Final = {FileFormat.NDJSON: "json", FileFormat.CSV: "csv", FileFormat.METRO2: "metro2"}


class IngestSummary(Struct, frozen=True, kw_only=True):
    """What became of the lines of a file so far: ``lines = recorded + recorded_before + quarantined``.

    `bytes_read` of `bytes_total` are done; `reasons` are the codes of what went into quarantine, the commonest first, and `first` the first of
    these lines.
    """

    lines: int = 0
    recorded: int = 0
    recorded_before: int = 0
    quarantined: int = 0
    bytes_read: int = 0
    bytes_total: int = 0
    reasons: dict[str, int] = {}
    first: TakenLine | None = None

    def add(self, taken: OutcomesTaken, bytes_read: int) -> "IngestSummary":
        """With what became of another chunk."""
        reasons = Counter(self.reasons)
        reasons.update(line.code for line in taken.quarantined)
        count = len(taken.quarantined)
        return msgspec.structs.replace(
            self,
            lines=self.lines + taken.recorded + taken.recorded_before + count,
            recorded=self.recorded + taken.recorded,
            recorded_before=self.recorded_before + taken.recorded_before,
            quarantined=self.quarantined + count,
            bytes_read=bytes_read,
            reasons=dict(reasons.most_common()),
            first=self.first or (taken.quarantined[0] if taken.quarantined else None),
        )


class OutcomeFile(Struct, frozen=True, kw_only=True):
    """A file to take in.

    Attributes
    ----------
    path : of the file; one whose name ends in .gz is unpacked on the way.
    format : of its lines.
    book : in which account numbers are looked for where a line names no book; Metro 2 needs it.
    """

    path: Path
    format: FileFormat
    book: str | None = None
    chunk_lines: int = CHUNK_LINES

    def __post_init__(self) -> None:
        """Metro 2 names accounts only, so it needs their book."""
        if self.book is not None:
            check_book(self.book)
        if self.format is FileFormat.METRO2 and self.book is None:
            raise Refused("Metro 2 names loans by their account numbers: say in which book they are (--book NAME)")


def guess_format(path: Path) -> FileFormat:
    """The format that a file's name tells.

    Raises
    ------
    Refused : it tells none.
    """
    name = path.with_suffix("") if path.suffix == ".gz" else path
    found = _SUFFIXES.get(name.suffix.lower())
    if found is None:
        raise Refused(f"the name of {path} tells no format ({', '.join(_SUFFIXES)}): give --format")
    return found


async def ingest_file(
    record: Record, file: OutcomeFile, actor: Actor, progress: Callable[[IngestSummary], None] = lambda _: None
) -> IngestSummary:
    """Take in a file; `progress` is told after every chunk.

    Raises
    ------
    Refused : the file can't be read, or its first line names no columns; what was read before is recorded.
    Unavailable : the record did not answer; the same call records what is missing.
    """
    source = await asyncio.to_thread(_Source, file, record.clock.now().date())
    intake = Intake(record, source.origin, actor, events_held=EVENTS_HELD)
    summary = IngestSummary(bytes_total=source.bytes_total)
    following = asyncio.create_task(asyncio.to_thread(next, source, None))
    former, done = gc.get_threshold(), 0
    gc.set_threshold(GARBAGE_OBJECTS)

    def tell(taken: OutcomesTaken | None) -> None:
        nonlocal summary
        if taken is not None:
            summary = summary.add(taken, done)
            progress(summary)

    try:
        while (chunk := await _await_chunk(following, intake)) is not None:
            following = asyncio.create_task(asyncio.to_thread(next, source, None))
            lines, bytes_read = chunk
            tell(await intake.begin(lines))
            done = bytes_read
        tell(await intake.end())
    finally:
        gc.set_threshold(*former)
        await intake.stop()
        await asyncio.wait({following})
        with suppress(Exception, asyncio.CancelledError):
            following.result()
        source.close()
    return summary


async def _await_chunk(
    following: "asyncio.Task[tuple[list[Line], int] | None]", intake: Intake
) -> tuple[list[Line], int] | None:
    """The next chunk, None at the end; where there is none because the file is damaged, what came before is recorded first."""
    try:
        return await following
    except Refused:
        await intake.end()
        raise


class Retried(Struct, frozen=True, kw_only=True):
    """What became of a line that was taken out of quarantine again: recorded, or still refused; `code` and `message` None = it is recorded."""

    quarantine_id: UUID
    code: str | None = None
    message: str | None = None


async def retry_quarantined(record: Record, quarantine_id: UUID, actor: Actor) -> Retried:
    """Take one line in again; where it is recorded now, or was meanwhile, it leaves the quarantine.

    Raises
    ------
    NotFound : no line of this id was ever in quarantine.
    Refused : it has left the quarantine, or its person was erased.
    """
    opened = await open_quarantined(record, quarantine_id)
    if opened.ended is not None:
        raise Refused(f"line {quarantine_id} has left the quarantine: it was {opened.ended}")
    if opened.raw is None:
        raise Refused(f"line {quarantine_id} can't be read any more: its person was erased; dismiss it")
    told = opened.told
    today = record.clock.now().date()
    again = read_again(opened.raw, told.origin, today)
    if isinstance(again, Fault):
        return Retried(quarantine_id=quarantine_id, code=again.code, message=again.message)
    line = Line(number=told.line, raw=opened.raw, told=again)
    taken = await Intake(record, told.origin, actor).take([line])
    if taken.quarantined:
        (still,) = taken.quarantined
        return Retried(quarantine_id=quarantine_id, code=still.code, message=still.message)
    await end_quarantine(record, quarantine_id, "recorded", actor)
    return Retried(quarantine_id=quarantine_id)


async def iterate_quarantined(record: Record, *, is_test: bool = False) -> list[QuarantinedLine]:
    """Every line that is in quarantine still."""
    found: list[QuarantinedLine] = []
    while page := await list_quarantined(record, is_test=is_test, after=found[-1].quarantine_id if found else None):
        found += page
    return found


def read_again(raw: bytes, origin: Origin, today: date) -> Telling | Fault:
    """A line as it lay in quarantine, read as it was when it came."""
    if origin.format == "metro2":
        return _read_report(raw, origin.book or "") or Fault(
            code="LINE_UNREADABLE", message="the line tells of no loan"
        )
    if origin.format == "csv":
        header, _, row = raw.partition(b"\n")
        try:
            return TableReader(header, origin.book).read(row, today)
        except Refused as error:
            return Fault(code="LINE_UNREADABLE", message=str(error))
    return read_json(raw, today)


def _read_report(raw: bytes, book: str) -> Telling | Fault | None:
    report = read_report(raw)
    return tell_report(report, book) if isinstance(report, MonthlyReport) else report


def _keep_report(number: int, raw: bytes, told: Telling | Fault) -> Line:
    """A record of which a quarantine keeps what is read. One that can be retried is known again by just that."""
    kept = blank_unread(raw)
    return Line(number=number, raw=raw if isinstance(told, Fault) else kept, told=told, kept=kept)


class _Source(Iterator[tuple[list[Line], int]]):
    """Chunks of lines, each with how many bytes of the file were read by then; touches neither the event loop nor the database."""

    def __init__(self, file: OutcomeFile, today: date) -> None:
        self.origin = Origin(source="file", format=_RECORDED_AS[file.format], book=file.book)
        self._file = file
        self._today = today
        self._splitter = LineSplitter()
        self._number = 0
        self._waiting: list[Line] = []
        self._is_over = False
        try:
            self._raw = file.path.open("rb")
            self.bytes_total = file.path.stat().st_size
        except OSError as error:
            raise Refused(f"{file.path} can't be read: {error.strerror}") from error
        self._stream = cast("BinaryIO", gzip.GzipFile(fileobj=self._raw)) if file.path.suffix == ".gz" else self._raw
        self._header = b""
        self._read: LineReader | None = None
        if file.format is FileFormat.NDJSON:
            self._read = lambda raw: read_json(raw, today)
        elif file.format is FileFormat.METRO2:
            self._read = lambda raw: _read_report(raw, file.book or "")

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()
        self._raw.close()

    def __next__(self) -> tuple[list[Line], int]:
        """The next chunk; the last one may be shorter."""
        size = self._file.chunk_lines
        while len(self._waiting) < size and not self._is_over:
            self._read_block()
        if not self._waiting:
            raise StopIteration
        chunk, self._waiting = self._waiting[:size], self._waiting[size:]
        return chunk, self._raw.tell()

    def _read_block(self) -> None:
        try:
            block = self._stream.read(BLOCK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise Refused(f"{self._file.path} is damaged: what came before stands") from error
        self._is_over = not block
        for raw in self._splitter.feed(block) if block else self._splitter.end():
            self._number += 1
            self._take(raw)

    def _take(self, raw: bytes) -> None:
        if not raw.strip():
            return
        if self._read is None:
            table = TableReader(raw, self._file.book)
            self._header = raw + b"\n"
            self._read = lambda row: table.read(row, self._today)
            return
        told = self._read(raw)
        if told is None:
            return
        if self.origin.format == "metro2":
            self._waiting.append(_keep_report(self._number, raw, told))
        else:
            self._waiting.append(Line(number=self._number, raw=self._header + raw, told=told))
