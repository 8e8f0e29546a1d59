"""Reference populations: recorded Cases as a release decides them, whose counts later windows are compared with. Edge.

    Cases of a book between two days -> decided by the release -> bins at their tenths, and their sketch -> a document

A release's newest reference holds. Cases that were never decided, as those of a tape, serve as well: the release decides them here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.decision.case import Case, decode_case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.release import Release
from instant_credit.errors import Refused
from instant_credit.outcome.sketches import Decided, SketchReference, decode_reference, encode_reference, make_reference
from instant_credit.record.documents import DocumentKind, get_document, list_documents, put_document
from instant_credit.record.pool import Record
from instant_credit.record.reads import CHUNK_CASES, iterate_cases
from instant_credit.review.observing import Columns, compile_columns, join, observe
from instant_credit.underwriting.course import require_real
from instant_credit.underwriting.releases import load_release

REFERENCE_CASES_MIN: Final = 200
REFERENCE_CASES_MAX: Final = 1_000_000
"""More Cases make the reference no better and would not fit into memory."""


class Reference(Struct, frozen=True, kw_only=True):
    """A recorded reference and its hash."""

    reference_hash: str
    reference: SketchReference


async def fix_reference(
    record: Record,
    release_hash: str,
    *,
    book: str,
    actor: Actor,
    first_on: date = date.min,
    last_on: date = date.max,
    progress: Callable[[int], None] = lambda _: None,
) -> Reference:
    """Make a book's Cases the reference population of a release, and record it.

    Parameters
    ----------
    first_on, last_on : Cases as of these days and those between.
    progress : told how many Cases were read so far.

    Raises
    ------
    NotFound : there is no such release.
    Refused : the book holds too few Cases with the columns of the release's product, too many, or tests.
    """
    require_real(book)
    release = await load_release(record, release_hash)
    columns = compile_columns(release.product)
    waiting: list[Case] = []
    parts: list[Decided] = []
    read = kept = 0
    async for stored in iterate_cases(record, book, with_events=False):
        read += 1
        if stored.case is not None and stored.product == release.product.name and first_on <= stored.as_of <= last_on:
            case = decode_case(stored.case)
            if case.layout_hash == release.layout_hash:
                waiting.append(case)
                kept += 1
        if len(waiting) == CHUNK_CASES:
            parts.append(await asyncio.to_thread(_decide, release, columns, waiting))
            waiting = []
            progress(read)
        if kept > REFERENCE_CASES_MAX:
            raise Refused(f"reference: book {book} holds more than {REFERENCE_CASES_MAX:,} such Cases: name fewer days")
    if kept < REFERENCE_CASES_MIN:
        raise Refused(
            f"reference: book {book} holds {kept} Cases of {release.product.name} that can be opened between these days, and a reference "
            f"takes {REFERENCE_CASES_MIN}: name another book or more days"
        )
    if waiting:
        parts.append(await asyncio.to_thread(_decide, release, columns, waiting))
    progress(read)
    decided = join(parts)
    reference = make_reference(
        decided,
        release_hash=release.hash,
        product=release.product.name,
        definition=_define(book, kept, first_on, last_on),
        names=columns.names,
        categories=columns.categories,
    )
    reference_hash = await put_document(record, DocumentKind.SKETCH_REFERENCE, encode_reference(reference), actor)
    return Reference(reference_hash=reference_hash, reference=reference)


async def find_references(record: Record) -> Mapping[str, Reference]:
    """The newest reference of every release that has one, by the release's hash."""
    found: dict[str, Reference] = {}
    for row in await list_documents(record, DocumentKind.SKETCH_REFERENCE):
        reference = decode_reference(await get_document(record, row.content_hash))
        found[reference.release_hash] = Reference(reference_hash=row.content_hash, reference=reference)
    return found


def _decide(release: Release, columns: Columns, cases: Sequence[Case]) -> Decided:
    return observe(columns, cases, decide_many(cases, release))


def _define(book: str, cases: int, first_on: date, last_on: date) -> str:
    """In words, who the population is."""
    since = "" if first_on == date.min else f" from {first_on} on"
    until = "" if last_on == date.max else f" until {last_on}"
    return f"{cases} Cases of book {book}{since}{until}, as the release decides them."
