"""Edge. Releases in the record: made from documents and a book, loaded by hash, kept live in memory.

    product, policy, model (documents) + book -> reference population -> manifest -> composed once as a proof -> recorded

A release is never changed, only superseded: activating another one is an event (`release_life`), and a server notices it when it refreshes.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import numpy as np
from msgspec import UNSET, Struct
from numpy.typing import NDArray

from instant_credit.access.actors import Actor
from instant_credit.application.document import decode_product, encode_product, hash_layout
from instant_credit.application.product import Product
from instant_credit.canonical import hash_content
from instant_credit.decision.case import Case, build_case_features, decode_case
from instant_credit.decision.release import (
    REFERENCE_GAP_MIN,
    Manifest,
    Reference,
    Release,
    compose_release,
    decode_manifest,
    encode_manifest,
    encode_reference,
    make_reference,
)
from instant_credit.errors import NotFound, Refused, Unavailable
from instant_credit.features.program import compile_features
from instant_credit.policy.checks import check_policy
from instant_credit.policy.document import CutOffs, Policy, encode_policy
from instant_credit.record.documents import DocumentKind, DocumentRow, get_document, list_documents, put_documents
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_cases
from instant_credit.record.release_life import ReleaseEvent, count_release_events, read_release_events
from instant_credit.record.rows import StoredCase
from instant_credit.score.bundle import ENGINE_VERSION, Bundle, decode_bundle
from instant_credit.score.calibration import margin_at_pd, pd_to_ppm
from instant_credit.score.model import compile_model, leaf_counts, score_rows
from instant_credit.underwriting.course import require_real
from instant_credit.underwriting.release_states import DUE_DAYS, UNSEEN, Due, ProductLife, tell_lives
from instant_credit.units import Ppm

CHUNK_CASES: Final = 2_000
RETRY_NS: Final = 30_000_000_000
SHADOWS_HELD_MAX: Final = 8
"""Shadows and challengers of all products that a process holds in memory, those of the first products by name."""
# The reference is the quarter of the applicants approvable by score who lie nearest to the cut-off: their score is "at or slightly
# above the minimum passing score" (12 CFR 1002 Supplement I, 9(b)(2)-5).
REFERENCE_SHARE: Final = 0.25


class Part(Struct, frozen=True, kw_only=True):
    """One document on its way into the record."""

    kind: str
    body: bytes


async def make_release(
    record: Record,
    *,
    policy: Policy,
    model_hash: str,
    book: str,
    actor: Actor,
    product: Product | None = None,
    losses_hash: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Release:
    """Put a release together, prove that it composes, and record its documents. It is not live before it is activated.

    Parameters
    ----------
    model_hash : a recorded model bundle.
    book : recorded Cases with the columns of the model's product, out of which the reference population is counted.
    product : the model's product; by default the recorded document that the model names.
    losses_hash : a recorded loss table of the product; None = the release names none.
    progress : called with the number of Cases read so far.

    Raises
    ------
    NotFound : the model, its product or the book is not in the record.
    Refused : the parts do not fit together.
    """
    model_raw = await get_document(record, model_hash)
    bundle = decode_bundle(model_raw)
    if bundle.engine_version != ENGINE_VERSION:
        raise Refused(
            f"release: model {model_hash} was made for engine {bundle.engine_version}, this is engine {ENGINE_VERSION}; "
            "train it again (instant-credit train)"
        )
    product_raw = await get_document(record, bundle.product_hash) if product is None else encode_product(product)
    if hash_content(product_raw) != bundle.product_hash:
        raise Refused(f"release: the model was trained on product {bundle.product_hash}; give that product document")
    product = decode_product(product_raw)
    check_policy(policy, product)
    matrix = await _read_matrix(record, book, product, progress)
    reference = count_reference(matrix, book, bundle, model_hash, policy.cut_offs)
    parts = [
        Part(kind=DocumentKind.PRODUCT, body=product_raw),
        Part(kind=DocumentKind.MODEL, body=model_raw),
        Part(kind=DocumentKind.POLICY, body=encode_policy(policy)),
        Part(kind=DocumentKind.REFERENCE, body=encode_reference(reference)),
    ]
    hashes = [hash_content(part.body) for part in parts]
    manifest = Manifest(
        engine_version=ENGINE_VERSION,
        product_hash=hashes[0],
        model_hash=hashes[1],
        policy_hash=hashes[2],
        reference_hash=hashes[3],
        losses_hash=losses_hash or UNSET,
    )
    bodies = await _gather_bodies(record, parts, losses_hash)
    release = await asyncio.to_thread(compose_release, manifest, bodies)
    parts.append(Part(kind=DocumentKind.RELEASE, body=encode_manifest(manifest)))
    await put_documents(record, [(part.kind, part.body) for part in parts], actor)
    return release


async def _gather_bodies(record: Record, parts: Sequence[Part], losses_hash: str | None) -> dict[str, bytes]:
    """The parts by their hashes, with the loss table where one is named."""
    bodies = {hash_content(part.body): part.body for part in parts}
    return bodies if losses_hash is None else {**bodies, losses_hash: await get_document(record, losses_hash)}


async def load_release(record: Record, release_hash: str) -> Release:
    """The release with this hash, composed from the record's documents.

    Raises
    ------
    NotFound : it or one of its documents is not in the record.
    Refused : it was made for another engine, or its parts do not fit together.
    """
    manifest, documents = await read_parts(record, release_hash)
    return await asyncio.to_thread(compose_release, manifest, documents)


async def read_parts(record: Record, release_hash: str) -> tuple[Manifest, dict[str, bytes]]:
    """A release's manifest and its documents by hash, neither checked nor composed.

    Raises
    ------
    NotFound : the release or one of its documents is not in the record.
    """
    manifest = decode_manifest(await get_document(record, release_hash))
    return manifest, {content_hash: await get_document(record, content_hash) for content_hash in manifest.part_hashes}


async def list_release_documents(record: Record) -> tuple[DocumentRow, ...]:
    """Every recorded release, oldest first: those made as one, and of those that arms of experiments were composed as, the proposed ones."""
    events = await read_release_events(record)
    moved = {event.release_hash for event in events}
    made = await list_documents(record, DocumentKind.RELEASE)
    composed = [row for row in await list_documents(record, DocumentKind.OVERLAY) if row.content_hash in moved]
    return tuple(sorted((*made, *composed), key=lambda row: (row.recorded_at, row.content_hash)))


async def live_releases(record: Record) -> dict[str, str]:
    """Hash of the live release by product."""
    lives = tell_lives(await read_release_events(record), record.clock.now())
    return {product: life.champion for product, life in lives.items() if life.champion is not None}


async def load_live_release(record: Record, product: str) -> Release:
    """The live release of `product`. Raises NotFound when none is live."""
    live = await live_releases(record)
    if product not in live:
        raise NotFound("live release of product", product)
    return await load_release(record, live[product])


class NotLoaded(Struct, frozen=True, kw_only=True, eq=False):
    """A release that is live or a shadow in the record and could not be loaded; of a live one the former decides on, if there was one."""

    product: str
    release_hash: str
    error: Exception
    tried_at_ns: int


class LiveReleases:
    """The releases of a running server: one by product that is live, and at most `SHADOWS_HELD_MAX` shadows and challengers, never more.

    Parameters
    ----------
    report : called with every release that could not be loaded, each time that it was tried.
    """

    def __init__(self, record: Record, report: Callable[[NotLoaded], None] = lambda _: None) -> None:
        self._record = record
        self._report = report
        self._live: dict[str, Release] = {}
        self._not_loaded: dict[str, NotLoaded] = {}
        self._shadows: dict[str, tuple[Release, ...]] = {}
        self._shadows_not_loaded: dict[str, NotLoaded] = {}
        self._numbers: dict[str, int] | None = None
        self._events: tuple[ReleaseEvent, ...] = ()

    def live(self) -> Mapping[str, Release]:
        """Release by product name, as of the last refresh."""
        return self._live

    def not_loaded(self) -> Mapping[str, str]:
        """Hash by product name of every release that should decide and does not, as of the last refresh."""
        return {product: missed.release_hash for product, missed in self._not_loaded.items()}

    def shadows(self) -> Mapping[str, tuple[Release, ...]]:
        """Shadows and challengers, which decide unseen, by product name, as of the last refresh; products without one are left out."""
        return self._shadows

    def lives(self) -> Mapping[str, ProductLife]:
        """The life of every product's releases now, by the events of the last refresh."""
        return tell_lives(self._events, self._record.clock.now())

    def due(self) -> tuple[Due, ...]:
        """What falls due within `DUE_DAYS`, of the releases that decide."""
        until = self._record.clock.now().date() + timedelta(days=DUE_DAYS)
        return tuple(due for life in self.lives().values() for due in life.due(until))

    async def refresh(self) -> None:
        """Load what was activated or staged since, or was to go live by now. A release that cannot be loaded is reported, leaves its product's former
        one live, and is tried again: at once when the record did not answer, otherwise after `RETRY_NS`.

        Raises
        ------
        Unavailable : the record did not say what is live; everything stays as it was.
        """
        numbers = await count_release_events(self._record)
        if numbers != self._numbers:
            self._events = await read_release_events(self._record)
            self._numbers = numbers
        lives = self.lives()
        await self._refresh_live(lives)
        await self._refresh_shadows(lives)

    def _held(self) -> dict[str, Release]:
        """What is in memory by hash, so that a shadow that goes live is not loaded twice."""
        shadows = [release for own in self._shadows.values() for release in own]
        return {release.hash: release for release in (*shadows, *self._live.values())}

    async def _refresh_live(self, lives: Mapping[str, ProductLife]) -> None:
        held = self._held()
        refreshed: dict[str, Release] = {}
        not_loaded: dict[str, NotLoaded] = {}
        for product, life in lives.items():
            if life.champion is None:
                continue
            loaded = held.get(life.champion) or await self._load(product, life.champion, self._not_loaded.get(product))
            if isinstance(loaded, Release):
                refreshed[product] = loaded
                continue
            not_loaded[product] = loaded
            if (former := self._live.get(product)) is not None:
                refreshed[product] = former
        self._live, self._not_loaded = refreshed, not_loaded

    async def _refresh_shadows(self, lives: Mapping[str, ProductLife]) -> None:
        held = self._held()
        wanted = [(product, one) for product, life in lives.items() for one in life.in_state(*UNSEEN)]
        refreshed: dict[str, tuple[Release, ...]] = {}
        not_loaded: dict[str, NotLoaded] = {}
        for product, release_hash in wanted[:SHADOWS_HELD_MAX]:
            missed = self._shadows_not_loaded.get(release_hash)
            loaded = held.get(release_hash) or await self._load(product, release_hash, missed)
            if isinstance(loaded, Release):
                refreshed[product] = (*refreshed.get(product, ()), loaded)
            else:
                not_loaded[release_hash] = loaded
        self._shadows, self._shadows_not_loaded = refreshed, not_loaded

    async def _load(self, product: str, release_hash: str, missed: NotLoaded | None) -> Release | NotLoaded:
        """The release, or why not; a failure that can't have passed yet is not tried again."""
        now_ns = self._record.clock.monotonic_ns()
        if (
            missed is not None
            and missed.release_hash == release_hash
            and not isinstance(missed.error, Unavailable)
            and now_ns - missed.tried_at_ns < RETRY_NS
        ):
            return missed
        try:
            return await load_release(self._record, release_hash)
        except Exception as error:  # One bad document, whatever is wrong with it, stops no other product.
            missed = NotLoaded(product=product, release_hash=release_hash, error=error, tried_at_ns=now_ns)
            self._report(missed)
            return missed


def count_reference(
    matrix: NDArray[np.float32], book: str, bundle: Bundle, model_hash: str, cut_offs: CutOffs
) -> Reference:
    """The reference population of `book`, whose model matrix is float32[n, m], as counts per leaf of the model.

    Where segments are calibrated apart, a low score may be declined in one that is approved in another. Rows that would be declined
    in some segment stay out, so that every decline is worse than the reference.
    """
    model = compile_model(bundle.tables)
    raw_scores = score_rows(model, matrix)
    _, pds = bundle.calibrate(raw_scores, matrix)
    pds_ppm = np.array([pd_to_ppm(pd) for pd in pds.tolist()], dtype=np.int64)
    below = cut_offs.approve_below_ppm
    lowest_margin = min(margin_at_pd(one, Ppm(cut_offs.decline_from_ppm - 1)) for one in bundle.calibrations)
    is_eligible = (pds_ppm < below) & (raw_scores < lowest_margin - REFERENCE_GAP_MIN)
    approvable = np.sort(pds_ppm[is_eligible])
    if not len(approvable):
        raise Refused(f"release: no applicant of book {book} has a pd below approve_below_ppm = {below}")
    lowest = approvable[int(len(approvable) * (1 - REFERENCE_SHARE))]
    rows = np.ascontiguousarray(matrix[is_eligible & (pds_ppm >= lowest)])
    definition = (
        f"{len(rows)} of {len(matrix)} applicants of book {book}: the quarter of those approvable by score nearest to the cut-off, "
        f"pd from {int(lowest)} to below {below} ppm"
    )
    return make_reference(bundle, model_hash, definition, len(rows), leaf_counts(model, rows))


async def _read_matrix(
    record: Record, book: str, product: Product, progress: Callable[[int], None]
) -> NDArray[np.float32]:
    """Model matrix, float32[n, m], of the book's Cases of this product and layout that can be opened."""
    program = compile_features(product)
    pieces: list[NDArray[np.float32]] = [
        build_case_features(program, [case for _, case in chunk]).model
        async for chunk in read_cases(record, book, product, progress)
    ]
    return np.concatenate(pieces)


async def read_cases(
    record: Record, book: str, product: Product, progress: Callable[[int], None] = lambda _: None
) -> AsyncGenerator[list[tuple[StoredCase, Case]], None]:
    """The book's Cases of this product and layout that can be opened, in chunks of at most `CHUNK_CASES`, none empty.

    Raises
    ------
    NotFound : the book holds no Case.
    Refused : it holds none of this product and layout, or tests.
    """
    require_real(book)
    layout_hash = hash_layout(product)
    waiting: list[tuple[StoredCase, Case]] = []
    read = found = 0
    async for stored in iterate_cases(record, book, with_events=False, chunk=CHUNK_CASES):
        read += 1
        if stored.case is not None and stored.product == product.name:
            case = decode_case(stored.case)
            if case.layout_hash == layout_hash:
                waiting.append((stored, case))
                found += 1
        if len(waiting) == CHUNK_CASES:
            yield waiting
            waiting = []
            progress(read)
    if waiting:
        yield waiting
        progress(read)
    if not read:
        raise NotFound("book", book)
    if not found:
        raise Refused(
            f"book {book} holds no Case of {product.name} with the columns that the model reads: name another book or another model"
        )
