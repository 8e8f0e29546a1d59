"""Gathering what gates judge by out of the record, and judging it. Edge.

    model, training, champion's release (documents) + book as known on a day -> judge_candidate -> report (document)

Cases are those of the book from the first day judged on, sealed groups opened beside them; they are counted and compared here and nowhere
written down; that a book's groups are opened is (`book_reads`). Of a book with more Cases than `CASES_MAX` a seeded draw is decided again.
"""

import asyncio
import time
from datetime import date
from heapq import heappush, heapreplace
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from instant_credit.access.actors import Actor
from instant_credit.access.purposes import BookPurpose
from instant_credit.application.document import decode_product, hash_layout
from instant_credit.application.facts import Monitoring
from instant_credit.application.product import Product
from instant_credit.canonical import hash_content
from instant_credit.decision.case import Case, decode_case
from instant_credit.decision.gate_report import GateReport
from instant_credit.decision.release import Release
from instant_credit.errors import Refused
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition, decode_definition
from instant_credit.outcome.labels import Label, label_outcome
from instant_credit.outcome.losses import LossTable
from instant_credit.policy.document import Policy
from instant_credit.record.documents import DocumentKind, get_document, put_documents
from instant_credit.record.model_gates import find_training_of
from instant_credit.record.persons import log_book_read
from instant_credit.record.pool import Record
from instant_credit.record.reads import CHUNK_CASES, iterate_cases, list_monitoring
from instant_credit.record.repayments import read_event
from instant_credit.record.rows import StoredCase
from instant_credit.record.waivers import put_gate_report
from instant_credit.training.dataset import TrainingSet, gather_training_set
from instant_credit.training.gates.contest import Contender, find_windows
from instant_credit.training.gates.cost import Stopwatch
from instant_credit.training.gates.judging import Progress, judge_candidate
from instant_credit.training.gates.redeciding import Grouping, RecordedCases
from instant_credit.training.gates.thresholds import Thresholds, encode_thresholds
from instant_credit.training.manifest import TrainingManifest, decode_training
from instant_credit.underwriting.course import require_real
from instant_credit.underwriting.releases import load_release

CASES_MAX: Final = 20_000
_SEED: Final = 20_261_124
_MONITORING: Final = msgspec.json.Decoder(Monitoring)


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be judged, over what.

    Attributes
    ----------
    model_hash : the candidate's bundle.
    champion_release : hash of the release whose model is the champion and whose policy decides; None = there is no champion.
    policy : decides where there is no champion; None = no Case is decided again then.
    losses : what bad loans lose, likewise; None = as the thresholds assume.
    test_from : loans and Cases from this day on are judged; None = as the candidate's training tested.
    known_on : labels are what was known on this day, inclusive.
    """

    book: str
    model_hash: str
    champion_release: str | None = None
    policy: Policy | None = None
    losses: LossTable | None = None
    test_from: date | None = None
    known_on: date


class Filed(Struct, frozen=True, kw_only=True):
    """A report as it was recorded."""

    report_hash: str
    report: GateReport


async def judge_recorded(
    record: Record,
    wanted: Wanted,
    *,
    thresholds: Thresholds,
    actor: Actor,
    stopwatch: Stopwatch = time.perf_counter_ns,
    progress: Progress = lambda _stage, _done: None,
) -> Filed:
    """Judge a recorded model over a book and keep report and thresholds as documents.

    Raises
    ------
    NotFound : the model, its training or the champion is not in the record.
    Refused : the parts do not fit together, or nothing is left to judge; the message says why.
    """
    require_real(wanted.book)
    candidate = Contender(await get_document(record, wanted.model_hash), await find_training(record, wanted.model_hash))
    assert candidate.manifest is not None
    product = decode_product(await get_document(record, candidate.bundle.product_hash))
    definition = await read_definition(record, candidate.manifest)
    release = None if wanted.champion_release is None else await load_release(record, wanted.champion_release)
    champion = None
    if release is not None:
        _require_rival(release, wanted.model_hash)
        require_layout(release, product)
        champion = await _find_champion(record, release)
    loans = await gather_training_set(
        record,
        book=wanted.book,
        product=product,
        known_on=wanted.known_on,
        definition=definition,
        progress=lambda n: progress("read loans", n),
    )
    champion_matrix = await _gather_matrix(record, wanted, release, loans)
    policy = wanted.policy if release is None else release.policy.policy
    recorded = None
    if policy is not None:
        recorded = await _gather_later(record, wanted, candidate, loans, actor=actor, progress=progress)
    # Workers have to be heard of while it is judged.
    report = await asyncio.to_thread(
        judge_candidate,
        candidate,
        champion,
        loans,
        thresholds=thresholds,
        test_from=wanted.test_from,
        champion_matrix=champion_matrix,
        policy=policy,
        champion_release=release,
        recorded=recorded,
        losses=wanted.losses,
        stopwatch=stopwatch,
        progress=progress,
    )
    await put_documents(record, [(DocumentKind.GATE_THRESHOLDS, encode_thresholds(thresholds))], actor)
    return Filed(report_hash=await put_gate_report(record, report, actor), report=report)


async def _gather_later(
    record: Record, wanted: Wanted, candidate: Contender, loans: TrainingSet, *, actor: Actor, progress: Progress
) -> RecordedCases:
    """The Cases of the window that is judged."""
    assert candidate.manifest is not None
    return await gather_cases(
        record,
        book=wanted.book,
        product=loans.product,
        known_on=wanted.known_on,
        since=find_windows(loans, candidate.manifest, wanted.test_from).test_from,
        definition=loans.definition,
        actor=actor,
        progress=progress,
    )


def _require_rival(release: Release, model_hash: str) -> None:
    """Refused where the champion's model is the candidate itself."""
    if release.manifest.model_hash == model_hash:
        raise Refused(
            f"the model is that of release {release.hash}, and nothing is better or worse than itself: judge another model, or this one "
            "against absolute floors (--champion none)"
        )


def require_layout(release: Release, product: Product) -> None:
    """Refused unless the release decides Cases with the candidate's columns."""
    if release.layout_hash != hash_layout(product):
        raise Refused(
            f"release {release.hash} decides Cases with other columns than those of product {product.name} that the candidate was "
            "trained on: judge it without a champion"
        )


async def _find_champion(record: Record, release: Release) -> Contender:
    """The release's model, with its training where one is recorded."""
    model_hash = release.manifest.model_hash
    return Contender(await get_document(record, model_hash), await _find_own_training(record, model_hash))


async def _gather_matrix(
    record: Record, wanted: Wanted, release: Release | None, loans: TrainingSet
) -> NDArray[np.float32] | None:
    """The champion's variables over the same loans; None where they are the candidate's."""
    if release is None or release.manifest.product_hash == loans.product_hash:
        return None
    others = await gather_training_set(
        record, book=wanted.book, product=release.product, known_on=wanted.known_on, definition=loans.definition
    )
    if not np.array_equal(others.days, loans.days) or not np.array_equal(others.labels, loans.labels):
        raise Refused(f"book {wanted.book} holds other loans of the champion's product than of the candidate's")
    return others.matrix


async def gather_cases(
    record: Record,
    *,
    book: str,
    product: Product,
    known_on: date,
    since: date,
    actor: Actor,
    definition: LabelDefinition = AS_LAST_SEEN,
    progress: Progress = lambda _stage, _done: None,
) -> RecordedCases:
    """The book's Cases of this product and layout from `since` to `known_on`, with labels as known then, and the sealed groups.

    Where the product has groups, that `actor` takes them out of the book is written down before the first one is opened.
    """
    layout_hash = hash_layout(product)
    drawing = _Draw(definition)
    read = 0
    async for stored in iterate_cases(record, book):
        read += 1
        if read % CHUNK_CASES == 0:
            progress("read Cases", read)
        if stored.case is None or stored.product != product.name or not since <= stored.as_of <= known_on:
            continue
        case = decode_case(stored.case)
        if case.layout_hash == layout_hash:
            drawing.offer(stored, case, known_on)
    progress("read Cases", read)
    if product.monitoring_attributes and drawing.holds_any:
        await log_book_read(record, book, BookPurpose.ANALYSIS, actor)
    return await drawing.finish(record, product)


class _Draw:
    """At most `CASES_MAX` Cases, each as likely as any other: those whose hash with a seed is least, so that neither the order in which a record
    gives its Cases nor their ids have a say.
    """

    def __init__(self, definition: LabelDefinition) -> None:
        self._definition = definition
        self._seen = 0
        # The greatest hash first; the number tells Cases of one content apart.
        self._held: list[tuple[int, int, StoredCase, Case, int]] = []

    @property
    def holds_any(self) -> bool:
        return bool(self._held)

    def offer(self, stored: StoredCase, case: Case, known_on: date) -> None:
        self._seen += 1
        assert stored.case is not None
        lot = int(hash_content(b"%d %s %s" % (_SEED, (stored.natural_key or "").encode(), stored.case)), 16)
        if len(self._held) >= CASES_MAX and -lot <= self._held[0][0]:
            return
        # Only what is used is held: events are read as a label at once.
        label = label_case(stored, known_on, self._definition)
        row = (-lot, self._seen, replace(stored, case=None, events=()), case, label)
        (heappush if len(self._held) < CASES_MAX else heapreplace)(self._held, row)

    async def finish(self, record: Record, product: Product) -> RecordedCases:
        """The Cases in order of their day and content, so that figures are added up in one order."""
        ordered = sorted(self._held, key=lambda row: (row[2].as_of, row[2].natural_key or "", row[0]))
        held = [(stored, case, label) for _, _, stored, case, label in ordered]
        attributes = product.monitoring_attributes
        codes = np.full((len(held), len(attributes)), -1, dtype=np.int64)
        if attributes:
            places = {stored.case_id: place for place, (stored, _, _) in enumerate(held)}
            case_ids = list(places)
            for first in range(0, len(case_ids), CHUNK_CASES):
                told = await list_monitoring(record, case_ids[first : first + CHUNK_CASES])
                for case_id, raw in told.items():
                    own = _MONITORING.decode(raw).codes[: len(attributes)]
                    codes[places[case_id], : len(own)] = own
        return RecordedCases(
            cases=tuple(case for _, case, _ in held),
            labels=np.array([label for _, _, label in held], dtype=np.int8),
            weights=np.array([stored.sampling_weight for stored, _, _ in held], dtype=np.float64),
            groupings=tuple(
                Grouping(attribute=one.name, names=one.categories, codes=codes[:, place].copy())
                for place, one in enumerate(attributes)
            ),
        )


def label_case(stored: StoredCase, known_on: date, definition: LabelDefinition) -> int:
    """0 good, 1 bad, -1 = not lent to, neither, or not known yet, as known on a day."""
    events = [read_event(event) for event in stored.events]
    label = label_outcome(events, known_on=known_on, started_on=stored.as_of, definition=definition)
    return int(label) if label in (Label.GOOD, Label.BAD) else -1


async def read_definition(record: Record, manifest: TrainingManifest) -> LabelDefinition:
    """The label definition that a model was trained by; manifests from before there were any mean the labels as last seen.

    Raises
    ------
    NotFound : the definition is not in the record.
    """
    return AS_LAST_SEEN if manifest.labels is None else decode_definition(await get_document(record, manifest.labels))


async def find_training(record: Record, model_hash: str) -> TrainingManifest:
    """The manifest of the training that the bundle came from, the one recorded last.

    Raises
    ------
    Refused : none is recorded: what the model was fitted on is not known.
    """
    found = await _find_own_training(record, model_hash)
    if found is None:
        raise Refused(
            f"no training of model {model_hash} is recorded, so what it was fitted on is not known: train it here"
        )
    return found


async def _find_own_training(record: Record, model_hash: str) -> TrainingManifest | None:
    raw = await find_training_of(record, model_hash)
    return None if raw is None else decode_training(raw)
