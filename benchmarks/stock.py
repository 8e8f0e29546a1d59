"""What suites decide by and on: a live release, its documents, and recorded Cases of its product, read from a record that is not written to."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.home import environ_of
from instant_credit.application.telling import tell_facts
from instant_credit.decision.case import Case, decode_case
from instant_credit.decision.release import Release
from instant_credit.record.documents import DocumentKind, get_document
from instant_credit.record.pool import Record, open_record
from instant_credit.record.reads import iterate_cases, list_books
from instant_credit.settings import Settings, read_settings
from instant_credit.underwriting.releases import live_releases, load_live_release

PRODUCT = "personal_loan"
# The book that applications are recorded in.
BOOK = "applications"


@dataclass(frozen=True)
class Stock:
    """A live release, its documents as kind and body, and recorded Cases of its product."""

    release: Release
    documents: list[tuple[DocumentKind, bytes]]
    cases: list[Case]


def find_stock(own: Settings) -> Stock:
    """The stock of the environment's home; where no release is live there, of the demo, which is run in `own`."""
    stocked = read_settings(os.environ)
    if not asyncio.run(_is_stocked(stocked)):
        subprocess.run([sys.executable, "-m", "instant_credit.commands", "demo"], check=True, env=environ_of(own))
        stocked = own
    return asyncio.run(_read_stock(stocked))


def write_body(release: Release, case: Case, identity_number: str) -> str:
    """The body of an application with the facts of `case`, of an invented applicant."""
    applicant = {"name": "Invented Applicant", "identity_number": identity_number, "address": "1 Invented Street"}
    return json.dumps({"applicant": applicant, "facts": tell_facts(release.product, case.facts)})


async def _is_stocked(settings: Settings) -> bool:
    """Whether there is a live release and a book; a home that is not there yet is not made."""
    if settings.database_url is None and not (settings.home / "postgres").is_dir():
        return False
    async with open_record(settings) as record:
        return PRODUCT in await live_releases(record) and bool(await _list_tapes(record))


async def _list_tapes(record: Record) -> list[str]:
    return [one.book for one in await list_books(record) if one.book != BOOK and one.product == PRODUCT]


async def _read_stock(settings: Settings) -> Stock:
    async with open_record(settings) as record:
        release = await load_live_release(record, PRODUCT)
        manifest = release.manifest
        hashes = (manifest.product_hash, manifest.model_hash, manifest.policy_hash, manifest.reference_hash)
        kinds = (DocumentKind.PRODUCT, DocumentKind.MODEL, DocumentKind.POLICY, DocumentKind.REFERENCE)
        documents = [(kind, await get_document(record, one)) for kind, one in zip(kinds, hashes, strict=True)]
        documents.append((DocumentKind.RELEASE, await get_document(record, release.hash)))
        cases = [
            decode_case(stored.case)
            for book in await _list_tapes(record)
            async for stored in iterate_cases(record, book, with_events=False)
            if stored.case is not None and stored.product_hash == manifest.product_hash
        ]
    return Stock(release, documents, cases)
