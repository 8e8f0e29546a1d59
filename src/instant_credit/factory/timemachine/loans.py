"""The loans of a book as the time machine meets them: facts as they were told, and events that wait for their day. Edge.

record ─► Cases with events ─► through the product's door ─► loans in order of their day
"""

from collections.abc import Callable
from datetime import date

import msgspec
from msgspec import Struct

from instant_credit.application.document import hash_layout
from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.application.product import Product
from instant_credit.application.telling import tell_facts
from instant_credit.canonical import hash_content
from instant_credit.decision.case import decode_case
from instant_credit.errors import Refused
from instant_credit.outcome.events import EventKind, RepaymentEvent, stand_as_known
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_cases
from instant_credit.record.repayments import read_event
from instant_credit.underwriting.course import require_real
from instant_credit.units import Cents

_NAME = "Applicant of the time machine"
_ADDRESS = "None"


class Loan(Struct, frozen=True, kw_only=True, gc=False):
    """A loan of the source.

    Attributes
    ----------
    key : what orders loans of one day: the natural key, else the hash of the Case.
    person : names the person within the source, so that loans of one person stay together.
    facts : what an application can tell; what only tapes tell is left out, so that all loans are told alike.
    events : all of them, corrections too, under the names that the source gave them.
    """

    key: str
    person: str
    as_of: date
    facts: Facts
    events: tuple[RepaymentEvent, ...]

    @property
    def disbursed_cents(self) -> Cents:
        """What was paid out, 0 when no event tells it."""
        standing = stand_as_known(self.events, date.max)
        return Cents(sum(event.amount_cents for event in standing if event.kind is EventKind.DISBURSED))


async def read_loans(
    record: Record, book: str, product: Product, until: date, progress: Callable[[int], None] = lambda _: None
) -> tuple[Loan, ...]:
    """Every loan of the book before the day `until`, by day and key.

    Raises
    ------
    Refused : the book is a sample, or holds none that can be opened and applied for; the message says why.
    """
    require_real(book)
    door, layout_hash = Door(product), hash_layout(product)
    loans, read, others = [], 0, 0
    async for stored in iterate_cases(record, book):
        read += 1
        if read % 1_000 == 0:
            progress(read)
        if stored.case is None or stored.as_of >= until:
            continue
        if stored.sampling_weight != 1:
            raise Refused(
                f"book {book} is a sample, of which a Case stands for {stored.sampling_weight:g} loans: an application stands for one, so "
                "live through a book that is whole"
            )
        case = decode_case(stored.case)
        if stored.product != product.name or case.layout_hash != layout_hash:
            others += 1
            continue
        facts = door.read_facts(msgspec.json.encode({"facts": tell_facts(product, case.facts)}), stored.as_of)
        if not isinstance(facts, Facts):
            first = facts[0]
            raise Refused(
                f"book {book}: a Case of {stored.as_of} can't be applied for ({first.pointer}: {first.message}): the product asks for what "
                "only the tape tells"
            )
        loans.append(
            Loan(
                key=stored.natural_key or hash_content(stored.case),
                person=stored.person_id.hex(),
                as_of=stored.as_of,
                facts=facts,
                events=tuple(read_event(row) for row in stored.events),
            )
        )
    progress(read)
    if not loans:
        raise Refused(
            f"book {book} holds no Case of {product.name} before {until}"
            + (f" ({others:,} of others)" if others else "")
        )
    return tuple(sorted(loans, key=lambda loan: (loan.as_of, loan.key)))


def write_body(loan: Loan, product: Product) -> bytes:
    """The application as a customer's app would send it."""
    applicant = {"name": _NAME, "identity_number": loan.person, "address": _ADDRESS}
    return msgspec.json.encode({"applicant": applicant, "facts": tell_facts(product, loan.facts)})
