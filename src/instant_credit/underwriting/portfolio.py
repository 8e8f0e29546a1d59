"""Edge. Portfolio caps as they hold: the caps document recorded last of each product, compiled for the product that is live.

    document (caps put) ─► every process, within a second ─► what an offer counts against ─► money held of each cap's day (`affording`)

A cap's day goes on when its document is replaced: what was approved under a name counts against the cap of that name, and a cap that is lowered
below what the day has brought is closed. Caps that do not fit a product that was activated since are closed, all of them, until others are put.
"""

from collections.abc import Callable
from datetime import date

from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.application.document import decode_product
from instant_credit.application.facts import Facts
from instant_credit.canonical import ContentHash, hash_content
from instant_credit.decision.decision import Decision
from instant_credit.decision.release import Release
from instant_credit.errors import Conflict, NotFound, Refused
from instant_credit.experiment.caps import (
    Cap,
    Caps,
    CapTable,
    cap_cents,
    caps_of,
    check_caps,
    compile_caps,
    decode_caps,
    encode_caps,
)
from instant_credit.policy.document import decode_policy
from instant_credit.record.documents import DocumentKind, count_caps, get_document, list_documents, put_document
from instant_credit.record.pool import Record
from instant_credit.underwriting.purses import Want
from instant_credit.underwriting.releases import live_releases, read_parts
from instant_credit.units import PPM, Cents, Ppm


class Held(Struct, frozen=True, kw_only=True, eq=False):
    """The caps of a product; `table` None = they do not fit the product of this hash."""

    caps: Caps
    product_hash: ContentHash
    table: CapTable | None


class Portfolio:
    """The caps of a running server, as of the last refresh.

    Parameters
    ----------
    report : called with the name of a product whose caps do not fit it, and why, once for each version of it.
    """

    def __init__(self, record: Record, report: Callable[[str, Refused], None] = lambda *_: None) -> None:
        self._record = record
        self._report = report
        self._seen = 0
        self._caps: dict[str, Caps] = {}
        self._held: dict[str, Held] = {}

    async def refresh(self) -> None:
        """Read what was put since.

        Raises
        ------
        Unavailable : the record did not say; everything stays as it was.
        """
        found = await count_caps(self._record)
        if found != self._seen:
            caps = {product: told for product, (_, told) in (await read_caps_held(self._record)).items()}
            self._caps, self._seen = caps, found
            self._held.clear()

    def find(self, live: Release) -> Held | None:
        """The caps of the release's product; None = nothing is limited."""
        product = live.product
        caps = self._caps.get(product.name)
        if caps is None or not caps.caps:
            return None
        held = self._held.get(product.name)
        if held is None or held.product_hash != live.manifest.product_hash:
            table = None
            try:
                table = compile_caps(caps, product)
            except Refused as error:
                self._report(product.name, error)
            held = Held(caps=caps, product_hash=live.manifest.product_hash, table=table)
            self._held[product.name] = held
        return held


def want_of_caps(
    held: Held, facts: Facts, decision: Decision, pd_ppm: Ppm | None, on: date
) -> dict[str, tuple[str, Want]]:
    """What an offer wants of each cap that it counts against: by key of the budget, the cap's name and the cents.

    Parameters
    ----------
    held : with a table.
    pd_ppm : what the live release says; None = no score: all of the amount may go bad.
    on : the day in UTC.
    """
    if decision.terms is None or held.table is None:
        return {}
    caps = caps_of(held.table, facts)
    wanted = cap_cents(caps, decision.terms.amount_cents, Ppm(PPM) if pd_ppm is None else pd_ppm)
    return {
        key_of_cap(held.caps.product, cap, on): (
            cap.name,
            Want(cents=wanted[cap.name], cap_cents=Cents(cap.cents_by_day)),
        )
        for cap in caps
    }


def key_of_cap(product: str, cap: Cap, on: date) -> str:
    """The key of a cap's budget for a day."""
    return f"cap:{product}:{cap.name}:{cap.counts}:{on}"


async def read_caps_held(record: Record) -> dict[str, tuple[ContentHash, Caps]]:
    """Hash and caps by product: the document recorded last of each."""
    found = {}
    for row in await list_documents(record, DocumentKind.CAPS):
        caps = decode_caps(await get_document(record, row.content_hash))
        found[caps.product] = (row.content_hash, caps)
    return found


async def put_caps(record: Record, caps: Caps, actor: Actor) -> ContentHash:
    """Record the caps of a product, which hold from then on; their hash. Those that hold already change nothing.

    Raises
    ------
    NotFound : no release of the product is live.
    Refused : they do not fit its product or policy; every fault is told.
    Conflict : they were recorded before, and others after them.
    """
    live = (await live_releases(record)).get(caps.product)
    if live is None:
        raise NotFound("live release of product", caps.product)
    manifest, documents = await read_parts(record, live)
    policy = decode_policy(documents[manifest.policy_hash])
    faults = check_caps(caps, decode_product(documents[manifest.product_hash]), policy.reasons)
    if faults:
        raise Refused("caps refused:\n" + "\n".join(f"- {fault}" for fault in faults))
    content_hash = hash_content(encode_caps(caps))
    held = (await read_caps_held(record)).get(caps.product)
    recorded = {row.content_hash for row in await list_documents(record, DocumentKind.CAPS)}
    if content_hash in recorded and held is not None and held[0] != content_hash:
        raise Conflict(
            "these caps were recorded before, and others after them: a document counts from when it was recorded first, so change "
            "something in it, such as a cap's name or the reason's text"
        )
    return await put_document(record, DocumentKind.CAPS, encode_caps(caps), actor)
