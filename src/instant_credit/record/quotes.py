"""Edge. Quotes: what was indicated to somebody unnamed, without what it was indicated on. They belong to nobody."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.record.chain import leaf_of
from instant_credit.record.ids import bucket_of
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql

_TERMS: Final = ("currency", "amount_cents", "term_months", "apr_ppm", "instalment_cents")


class QuotedTerms(Struct, frozen=True, kw_only=True):
    """Terms that were indicated."""

    currency: str
    amount_cents: int
    term_months: int
    apr_ppm: int
    instalment_cents: int


class QuoteRow(Struct, frozen=True, kw_only=True):
    """A quote. `terms` is set where the `indication` is "terms"."""

    quote_id: UUID
    client_id: str
    is_test: bool
    product: str
    release_hash: str
    indication: str
    terms: QuotedTerms | None
    recorded_at: datetime


async def add_quote(record: Record, quote: QuoteRow, actor: Actor) -> None:
    """Write a quote down.

    Raises
    ------
    Unavailable : the database did not answer; the quote may have been written, and nobody knows its id.
    """
    terms = quote.terms
    row = (
        bucket_of(quote.quote_id),
        quote.quote_id,
        quote.client_id,
        quote.is_test,
        quote.product,
        quote.release_hash,
        quote.indication,
        *(None if terms is None else getattr(terms, name) for name in _TERMS),
        actor.kind.value,
        actor.id,
        quote.recorded_at,
    )
    leaves = [leaf_of("quotes", row)]
    async with record.writer() as writer, record.connection() as connection:
        await writer.append(connection, read_sql("insert_quote"), row, leaves, quote.recorded_at)


async def read_quote(record: Record, quote_id: UUID) -> QuoteRow | None:
    """The quote with this id, or None."""
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("read_quote"), bucket_of(quote_id), quote_id)
    if row is None:
        return None
    terms = {name: row[name] for name in _TERMS}
    return QuoteRow(
        quote_id=quote_id,
        client_id=row["client_id"],
        is_test=row["is_test"],
        product=row["product"],
        release_hash=row["release_hash"],
        indication=row["indication"],
        terms=None if row["amount_cents"] is None else QuotedTerms(**terms),
        recorded_at=row["recorded_at"],
    )
