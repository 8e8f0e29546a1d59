"""Quotes: what the live release would indicate on facts told without a name.

    facts (no applicant) ─► Case ─► decide (pure) ─► terms, or none ─► recorded without the facts ─► answered

A quote is no decision. It tells neither reasons nor probability nor an outcome: "none" covers a referral, a decline and facts that
price nothing, so nobody is told that they are declined, which would make it an application (12 CFR 1002 Supplement I, 2(f)-3).
Nothing learns from quotes: the facts are forgotten, and what is recorded lies in a table of its own.
"""

from typing import Final
from uuid import UUID

from instant_credit.application.facts import Facts
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide
from instant_credit.decision.decision import Decision, Outcome
from instant_credit.decision.release import Release
from instant_credit.errors import NotFound, Problem
from instant_credit.record.ids import BUCKETS, new_id
from instant_credit.record.pool import within
from instant_credit.record.quotes import QuotedTerms, QuoteRow, add_quote, read_quote
from instant_credit.underwriting.course import APPLICATION_SECONDS, Caller, book_of
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.resources import Indication, Link, Quote, QuoteLinks, QuoteTerms
from instant_credit.units import Cents, Ppm

_TEXTS: Final = {
    Indication.TERMS: "Indicative terms. This is neither an offer nor a decision: apply to have one.",
    Indication.ELIGIBLE: "What was told fits the product. This is no decision: apply to have one.",
    Indication.NONE: "Nothing can be indicated on what was told. This is no decision: apply to have one.",
}


class QuoteDesk:
    """Gives quotes and shows them again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._record = desk.record

    async def quote(self, product: str, raw: bytes, caller: Caller) -> Quote | tuple[Problem, ...]:
        """Indicate terms on the facts in `raw`, or say what is wrong with them: then nothing is recorded.

        Raises
        ------
        NotFound : the product is not offered.
        Unavailable : the record did not answer; there may be a quote that nobody knows of.
        """
        release = self._desk.offered().get(product)
        if release is None:
            raise NotFound("product", "of this name")
        now = self._record.clock.now()
        facts = self._desk.door_of(release).read_facts(raw, now.date())
        if not isinstance(facts, Facts):
            return facts
        case = Case(
            product_hash=release.manifest.product_hash,
            layout_hash=release.layout_hash,
            as_of=now.date(),
            facts=facts,
        )
        terms, indication = _indicate(decide(case, release), release)
        bucket = self._record.entropy(1)[0] % BUCKETS
        row = QuoteRow(
            quote_id=new_id(bucket, now, self._record.entropy),
            client_id=caller.client_id,
            is_test=caller.is_test,
            product=product,
            release_hash=release.hash,
            indication=indication.value,
            terms=terms,
            recorded_at=now,
        )
        async with within(APPLICATION_SECONDS):
            await add_quote(self._record, row, caller.actor)
        return _tell(row)

    async def read(self, quote_id: UUID, caller: Caller) -> Quote:
        """A quote again.

        Raises
        ------
        NotFound : there is none, or it is another client's or of another mode.
        """
        async with within(APPLICATION_SECONDS):
            row = await read_quote(self._record, quote_id)
        if row is None or not caller.may_see(row.client_id, book_of(is_test=row.is_test), sees_all=False):
            raise NotFound("quote", "of this id")
        return _tell(row)


def _indicate(decision: Decision, release: Release) -> tuple[QuotedTerms | None, Indication]:
    terms = decision.terms
    if terms is not None:
        quoted = QuotedTerms(
            currency=release.product.currency,
            amount_cents=terms.amount_cents,
            term_months=terms.term_months,
            apr_ppm=terms.apr_ppm,
            instalment_cents=terms.instalment_cents,
        )
        return quoted, Indication.TERMS
    return None, Indication.ELIGIBLE if decision.outcome is Outcome.APPROVE else Indication.NONE


def _tell(row: QuoteRow) -> Quote:
    indication, terms = Indication(row.indication), row.terms
    return Quote(
        quote_id=row.quote_id,
        product=row.product,
        release=row.release_hash,
        quoted_at=row.recorded_at,
        indication=indication,
        terms=None
        if terms is None
        else QuoteTerms(
            currency=terms.currency,
            amount_cents=Cents(terms.amount_cents),
            term_months=terms.term_months,
            apr_ppm=Ppm(terms.apr_ppm),
            instalment_cents=Cents(terms.instalment_cents),
        ),
        text=_TEXTS[indication],
        links=QuoteLinks(
            own=Link.to("quotes", row.quote_id),
            apply=Link.to("products", row.product, "applications"),
            draft=Link.to("products", row.product, "drafts"),
        ),
    )
