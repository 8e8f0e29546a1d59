"""Edge. Exploration programmes as documents: the one recorded last of each product runs, until its end is a document too.

programme put ─► document ─► runs in every process within a second ─► end: its money is out, or a person stopped it ─► document
"""

from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.canonical import ContentHash, encode_canonical
from instant_credit.errors import Conflict, NotFound
from instant_credit.experiment.exploration import End, Ending, Programme, decode_end, decode_programme
from instant_credit.record.documents import DocumentKind, get_document, list_documents, put_document
from instant_credit.record.pool import Record


class Recorded(Struct, frozen=True, kw_only=True):
    """A programme by its hash, and the document that ended it first; None = none did."""

    content_hash: ContentHash
    programme: Programme
    end: End | None


async def read_programmes(record: Record) -> dict[str, Recorded]:
    """The programme recorded last of each product."""
    ends: dict[ContentHash, End] = {}
    for row in await list_documents(record, DocumentKind.EXPLORATION_END):
        end = decode_end(await get_document(record, row.content_hash))
        ends.setdefault(end.programme, end)
    found = {}
    for row in await list_documents(record, DocumentKind.EXPLORATION):
        programme = decode_programme(await get_document(record, row.content_hash))
        found[programme.product] = Recorded(
            content_hash=row.content_hash, programme=programme, end=ends.get(row.content_hash)
        )
    return found


async def find_programme(record: Record, product: str) -> Recorded:
    """The programme recorded last of a product.

    Raises
    ------
    NotFound : none ever was.
    """
    recorded = (await read_programmes(record)).get(product)
    if recorded is None:
        raise NotFound("exploration programme of product", product)
    return recorded


async def end_programme(record: Record, content_hash: ContentHash, ending: Ending, why: str, actor: Actor) -> None:
    """Record that a programme has ended. Ending it once more, for whatever reason, changes nothing."""
    end = End(programme=content_hash, ending=ending, why=why)
    await put_document(record, DocumentKind.EXPLORATION_END, encode_canonical(end), actor)


async def stop_programme(record: Record, product: str, why: str, actor: Actor) -> Recorded:
    """End the programme of a product by hand; what it was.

    Raises
    ------
    NotFound : the product has none.
    Conflict : it has ended already.
    """
    recorded = await find_programme(record, product)
    if recorded.end is not None:
        raise Conflict(f"programme {recorded.programme.name} of {product} has ended already: {recorded.end.why}")
    if recorded.programme.ends_on < record.clock.now().date():
        raise Conflict(
            f"programme {recorded.programme.name} of {product} has ended already, on {recorded.programme.ends_on}"
        )
    await end_programme(record, recorded.content_hash, Ending.STOPPED, why, actor)
    return recorded
