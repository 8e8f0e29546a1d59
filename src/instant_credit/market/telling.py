"""An applicant as he tells of himself: the body of an application, and the Facts that the door reads from it. Pure.

Out of `Applicants` alone, which hold no truth. Who applies is called by the number of the person, and lives at the address called by the number of the
household: the same person has the same identity whenever he applies, and a household one address.
"""

from collections.abc import Mapping
from typing import Any, Final

from instant_credit.application.facts import Facts, Identity, Monitoring
from instant_credit.application.product import Attribute, AttributeType, Product
from instant_credit.application.telling import tell_facts, tell_monitoring
from instant_credit.canonical import encode_canonical
from instant_credit.errors import Refused
from instant_credit.market.applicants import CATEGORIES, CENTS, DATES, GROUPS, INTEGERS, REALS, Applicants

_TYPES: Final[Mapping[str, AttributeType]] = {
    **dict.fromkeys(CENTS, AttributeType.CENTS),
    **dict.fromkeys(INTEGERS, AttributeType.INTEGER),
    **dict.fromkeys(REALS, AttributeType.REAL),
    **dict.fromkeys(CATEGORIES, AttributeType.CATEGORY),
    **dict.fromkeys(DATES, AttributeType.DATE),
}


class Teller:
    """Tells applicants of one product.

    Parameters
    ----------
    product : one whose required attributes the market knows, as the shipped `personal_loan`; of others those that it does not know are not told.

    Raises
    ------
    Refused : a required attribute is unknown here, or one is of another type or has other categories than here.
    """

    def __init__(self, product: Product) -> None:
        self.product = product
        self._by_type = {
            kind: [(a, _find_codes(a)) for a in product.case_attributes if a.type is kind] for kind in AttributeType
        }
        self._groups = [(a.name, _find_codes(a)) for a in product.monitoring_attributes]

    def tell_facts(self, applicants: Applicants, row: int) -> Facts:
        """The facts of one applicant, as the door reads them from his body."""
        cents, integers, reals, codes, days = (
            self._by_type[kind]
            for kind in (
                AttributeType.CENTS,
                AttributeType.INTEGER,
                AttributeType.REAL,
                AttributeType.CATEGORY,
                AttributeType.DATE,
            )
        )
        columns = applicants.columns
        return Facts(
            cents=tuple(int(columns[a.name][row]) if a.name in columns else None for a, _ in cents),
            integers=tuple(_count(columns[a.name][row]) if a.name in columns else None for a, _ in integers),
            reals=tuple(float(columns[a.name][row]) if a.name in columns else None for a, _ in reals),
            codes=tuple(known[int(columns[a.name][row])] if known else -1 for a, known in codes),
            days=tuple(int(columns[a.name][row]) if a.name in columns else None for a, _ in days),
        )

    def tell_monitoring(self, applicants: Applicants, row: int) -> Monitoring:
        """The prohibited attributes of one applicant as far as he tells them."""
        told = applicants.told_groups
        return Monitoring(codes=tuple(known[int(told[name][row])] if known else -1 for name, known in self._groups))

    def tell_body(self, applicants: Applicants, row: int) -> dict[str, Any]:
        """The body of his application, ready to be written as JSON; without `monitoring` when he tells nothing of it."""
        body: dict[str, Any] = {
            "applicant": encode_identity(tell_identity(applicants, row)),
            "facts": dict(tell_facts(self.product, self.tell_facts(applicants, row))),
        }
        monitoring = dict(tell_monitoring(self.product, self.tell_monitoring(applicants, row)))
        return {**body, "monitoring": monitoring} if monitoring else body

    def encode_body(self, applicants: Applicants, row: int) -> bytes:
        """The same as canonical JSON."""
        return encode_canonical(self.tell_body(applicants, row))


def tell_identity(applicants: Applicants, row: int) -> Identity:
    """Who applies, by numbers alone: nobody real."""
    person, household = int(applicants.persons[row]), int(applicants.households[row])
    return Identity(
        name=f"Simulated Applicant {person}", identity_number=f"M-{person:013d}", address=f"{household} Market Street"
    )


def encode_identity(identity: Identity) -> dict[str, str]:
    """An identity as it stands under ``applicant`` in a body."""
    return {"name": identity.name, "identity_number": identity.identity_number, "address": identity.address}


def _count(value: Any) -> int | None:
    """A count; -1 is a missing one."""
    return None if value < 0 else int(value)


def _find_codes(attribute: Attribute) -> tuple[int, ...]:
    """Of an attribute's categories here the product's codes, and -1 at the end for what is not told; empty for what is unknown or is none."""
    known = GROUPS.get(attribute.name) or CATEGORIES.get(attribute.name, ())
    kind = AttributeType.CATEGORY if known else _TYPES.get(attribute.name)
    if kind is None:
        if attribute.is_required:
            raise Refused(
                f"attribute {attribute.name} is required and unknown to the market: take a product without it"
            )
        return ()
    if kind is not attribute.type or not set(known) <= set(attribute.categories):
        raise Refused(f"attribute {attribute.name} is of another type or has other categories than in the market")
    return (*(attribute.categories.index(category) for category in known), -1) if known else ()
