"""The door: what is told becomes Identity, Facts and Monitoring, or every problem with it.

Theory. A body is read twice over. The quick way decodes it straight into a Struct that was generated from the product; it
accepts or refuses, and says no more. Only when it refuses, the slow way takes the body apart and names every problem by its
JSON pointer. Both ways accept the same bodies; a property in the tests holds them to it. Repeated names are refused, since two
readers of one body could otherwise see two different applications.

body bytes -> generated Struct -> typed tuples (`Facts`)          quick way
body bytes -> names and values -> one check per field -> Problems  slow way
natural values -> one check per field -> `Facts` or Problems       `check_facts`, for tapes
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from instant_credit.application.complaints import BODY_BYTES_MAX, Complaints, Repeated, read_body
from instant_credit.application.facts import Facts, Identity, Monitoring
from instant_credit.application.fields import CODE_MISSING, Check, bounds, make_check, value_when_missing
from instant_credit.application.product import TYPES_IN_ORDER, Attribute, AttributeType, MissingRule, Product, Source
from instant_credit.application.schema import body_schema
from instant_credit.errors import Problem


class Told(Struct, frozen=True, kw_only=True):
    """A body that passed the door: three things that are never stored together."""

    identity: Identity
    facts: Facts
    monitoring: Monitoring


class Door:
    """Reads applications of one product. Immutable after construction.

    Parameters
    ----------
    product : a checked product (`application.document`).
    """

    def __init__(self, product: Product) -> None:
        self.product = product
        self._laid = _lay_out(product.case_attributes)
        flat = [attribute for group in self._laid for attribute in group]
        self._checks: list[list[tuple[str, Check]]] = [
            [(a.name, make_check(a, f"/facts/{a.name}")) for a in group] for group in self._laid
        ]
        self._places = {a.name: place for place, a in enumerate(product.case_attributes)}
        self._complaints = Complaints(product)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            _body_type(product, [a for a in flat if a.source is not Source.TAPE])
        )
        self._facts_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            _nameless_type([a for a in flat if a.source is not Source.TAPE])
        )
        self._untold_places = [place for place, a in enumerate(flat) if a.source is Source.TAPE]
        self._zeros = [
            (position, value_when_missing(a)) for position, a in enumerate(flat) if a.missing is MissingRule.ZERO
        ]
        cents, integers, reals, codes, _ = (len(group) for group in self._laid)
        self._ends = (cents, cents + integers, cents + integers + reals, cents + integers + reals + codes)
        self._codes = [_codes_of(a) for a in self._laid[3]]
        self._day_checks = [check for _, check in self._checks[4]]
        self._monitoring_codes = [_codes_of(a) for a in product.monitoring_attributes]
        self._untold = Monitoring(codes=(CODE_MISSING,) * len(self._monitoring_codes))

    def read_application(self, raw: bytes, as_of: date) -> Told | tuple[Problem, ...]:
        """Read the body of one application.

        Parameters
        ----------
        raw : JSON, UTF-8, at most `BODY_BYTES_MAX` bytes: ``{"applicant": {...}, "facts": {...}, "monitoring": {...}}``.
        as_of : day of the application; date ranges are counted back from it.

        Returns
        -------
        `Told`, or all problems (at least one), in the product's order. Never raises, whatever the bytes are.
        """
        told = self._read_quickly(raw, as_of)
        return self._complaints.find_problems(raw, as_of) if told is None else told

    def read_facts(self, raw: bytes, as_of: date) -> Facts | tuple[Problem, ...]:
        """Read a body that names nobody, ``{"facts": {...}}``, by the same checks; `Facts`, or all problems (at least one)."""
        body = self._decode(raw, self._facts_decoder)
        facts = None if body is None else self._cut_facts(body.facts, as_of)
        return self._complaints.find_problems(raw, as_of, ("facts",)) if facts is None else facts

    def find_wrong(self, raw: bytes, as_of: date) -> tuple[Problem, ...]:
        """What is wrong with a part of an application, in which anything may be missing or null; empty when nothing is.

        Parts that are right stay right when they are merged: no check looks at two fields.
        """
        return self._complaints.find_wrong(raw, as_of)

    def check_facts(self, values: Mapping[str, object], as_of: date) -> Facts | tuple[Problem, ...]:
        """Check natural values by attribute name, for instance a row of a tape; here facts of source `tape` are told too.

        Parameters
        ----------
        values : int cents, int, float, category name or date by name of a case attribute; None or absent = missing.
        as_of : day on which the values were known.

        Returns
        -------
        `Facts`, or all problems (at least one) in the product's order with pointers ``/facts/<name>``.
        """
        problems: list[Problem] = []
        groups: list[tuple[Any, ...]] = []
        get = values.get
        for checks in self._checks:
            kept = tuple([check(get(name), as_of) for name, check in checks])
            problems.extend([one for one in kept if type(one) is Problem])
            groups.append(kept)
        if problems or not values.keys() <= self._places.keys():
            return self._complaints.sort_fact_problems(problems, values)
        cents, integers, reals, codes, days = groups
        return Facts(cents=cents, integers=integers, reals=reals, codes=codes, days=days)

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the body that `read_application` reads, without references."""
        return body_schema(self.product)

    def _read_quickly(self, raw: bytes, as_of: date) -> Told | None:
        """`Told`, or None when anything at all is wrong."""
        body = self._decode(raw, self._decoder)
        if body is None:
            return None
        facts = self._cut_facts(body.facts, as_of)
        if facts is None:
            return None
        return Told(identity=body.applicant, facts=facts, monitoring=self._read_monitoring(body.monitoring))

    def _decode(self, raw: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
        """The body as its Struct, or None when it is none or a name is repeated in it."""
        if len(raw) > BODY_BYTES_MAX:
            return None
        try:
            body = decoder.decode(raw)
            # A name and its value stand at a colon, so with as many colons as there are values no name stands twice. Where something is
            # null or a text holds a colon, the names themselves are looked at.
            if raw.count(b":") == _count_values(body):
                return body
            names = read_body(raw)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return None if type(names) is Repeated or Repeated in map(type, names.values()) else body

    def _cut_facts(self, told: Struct, as_of: date) -> Facts | None:
        """Decoded facts as typed columns, or None when a day is out of its bounds."""
        columns = list(msgspec.structs.astuple(told))
        for place in self._untold_places:
            columns.insert(place, None)
        for position, zero in self._zeros:
            if columns[position] is None:
                columns[position] = zero
        first, second, third, fourth = self._ends
        days = tuple([check(day, as_of) for check, day in zip(self._day_checks, columns[fourth:], strict=True)])
        if Problem in map(type, days):
            return None
        return Facts(
            cents=tuple(columns[:first]),
            integers=tuple(columns[first:second]),
            reals=tuple([None if real is None else real + 0.0 for real in columns[second:third]]),
            codes=tuple([codes[name] for codes, name in zip(self._codes, columns[third:fourth], strict=True)]),
            days=days,  # type: ignore[arg-type] # no Problem is left among them
        )

    def _read_monitoring(self, monitoring: Struct | None) -> Monitoring:
        if monitoring is None:
            return self._untold
        told = msgspec.structs.astuple(monitoring)
        return Monitoring(codes=tuple([codes[one] for codes, one in zip(self._monitoring_codes, told, strict=True)]))


def _count_values(body: Struct) -> int:
    """How many values are told in a body and in its parts."""
    parts = [part for part in msgspec.structs.astuple(body) if part is not None]
    told = [msgspec.structs.astuple(part) for part in parts]
    return len(parts) + sum([len(values) - values.count(None) for values in told])


def _lay_out(attributes: tuple[Attribute, ...]) -> list[list[Attribute]]:
    """Attributes by type, in the order of the tuples of `Facts`."""
    return [[a for a in attributes if a.type is kind] for kind in TYPES_IN_ORDER]


def _codes_of(attribute: Attribute) -> dict[str | None, int]:
    codes: dict[str | None, int] = {name: code for code, name in enumerate(attribute.categories)}
    codes[None] = CODE_MISSING
    return codes


def _facts_type(flat: list[Attribute]) -> Any:
    """The Struct of the facts, in the order of `flat`, so that they can be cut into typed tuples."""
    return msgspec.defstruct(
        "FactsBody", [_field(a) for a in flat], frozen=True, kw_only=True, forbid_unknown_fields=True
    )


def _nameless_type(flat: list[Attribute]) -> Any:
    """The Struct of a body with facts alone."""
    return msgspec.defstruct(
        "NamelessBody", [("facts", _facts_type(flat))], frozen=True, kw_only=True, forbid_unknown_fields=True
    )


def _body_type(product: Product, flat: list[Attribute]) -> Any:
    """The Struct of a whole body."""
    facts = _facts_type(flat)
    monitoring = msgspec.defstruct(
        "MonitoringBody",
        [_field(a) for a in product.monitoring_attributes],
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    return msgspec.defstruct(
        "Body",
        [("applicant", Identity), ("facts", facts), ("monitoring", monitoring | None, None)],
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )


def _field(attribute: Attribute) -> tuple[str, Any] | tuple[str, Any, Any]:
    """Name, type and default of `attribute` for `defstruct`."""
    low, high = bounds(attribute)
    kind: Any
    if attribute.type is AttributeType.CATEGORY:
        kind = Literal[attribute.categories]
    elif attribute.type is AttributeType.DATE:
        kind = date
    elif attribute.type is AttributeType.REAL:
        kind = Annotated[float, Meta(ge=low, le=high)]
    else:
        kind = Annotated[int, Meta(ge=int(low), le=int(high))]
    if attribute.is_required:
        return attribute.name, kind
    return attribute.name, kind | None, None
