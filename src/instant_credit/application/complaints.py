"""Every problem of a body that the door refused, by JSON pointer.

Bodies come from anywhere. Reading one ends in a list of problems whatever it holds: no exception, no echo of a value, and no
list longer than `PROBLEMS_MAX`. A name that is not ours is repeated in a pointer only when it is spelled like one of ours.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from instant_credit.application.facts import Identity
from instant_credit.application.fields import (
    FIELD_MISSING,
    FIELD_REPEATED,
    FIELD_UNKNOWN,
    TYPE_WRONG,
    Check,
    make_check,
)
from instant_credit.application.product import Attribute, AttributeType, Product
from instant_credit.errors import Problem

BODY_BYTES_MAX: Final = 65_536
PROBLEMS_MAX: Final = 200
TEXT_INVALID: Final = "TEXT_INVALID"
SECTIONS: Final = ("applicant", "facts", "monitoring")
_SPELLED_LIKE_OURS: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_INTEGER_DIGITS_MAX: Final = 400


class Repeated(dict[str, Any]):
    """A JSON object in which at least one name stands more than once; `names` says which."""

    names: tuple[str, ...] = ()


class NotJson(ValueError):
    """A token that Python's parser takes and JSON does not have."""


def read_body(raw: bytes) -> Any:
    """The value of a JSON text; objects with repeated names come back as `Repeated`.

    Raises
    ------
    ValueError
        When `raw` is not JSON in UTF-8.
    RecursionError
        When it is nested too deeply.
    """
    return _READER.decode(raw.decode("utf-8"))


class Complaints:
    """Finds the problems of bodies of one product. Immutable after construction."""

    def __init__(self, product: Product) -> None:
        self._applicant = _identity_fields()
        self._facts = [_told_field(a, "facts") for a in product.told_attributes]
        self._columns = frozenset(a.name for a in product.case_attributes)
        self._monitoring = [_told_field(a, "monitoring") for a in product.monitoring_attributes]
        self._places = {f"/facts/{a.name}": place for place, a in enumerate(product.case_attributes)}
        self._prohibited = frozenset(a.name for a in product.monitoring_attributes)

    def find_problems(self, raw: bytes, as_of: date, sections: Sequence[str] = SECTIONS) -> tuple[Problem, ...]:
        """All problems of the body `raw`, in the order applicant, facts, monitoring; at least one, at most `PROBLEMS_MAX`.

        `sections` are those that the body may have.
        """
        problems = self._find(raw, as_of, sections)
        if not problems:
            message = "the body is not an application of this product; compare it with the product's schema"
            problems.append(Problem(pointer="", code="BODY_INVALID", message=message))
        return _bounded(problems)

    def find_wrong(self, raw: bytes, as_of: date) -> tuple[Problem, ...]:
        """What is wrong with a part of an application: as `find_problems`, but nothing counts as missing, and there may be nothing."""
        return _bounded([problem for problem in self._find(raw, as_of, SECTIONS) if problem.code != FIELD_MISSING])

    def _find(self, raw: bytes, as_of: date, sections: Sequence[str]) -> list[Problem]:
        if len(raw) > BODY_BYTES_MAX:
            return [Problem(pointer="", code="BODY_TOO_LARGE", message=f"at most {BODY_BYTES_MAX} bytes are read")]
        try:
            body = read_body(raw)
        except RecursionError:
            return [Problem(pointer="", code="BODY_TOO_DEEP", message="the body is nested too deeply")]
        except ValueError:
            return [Problem(pointer="", code="BODY_NOT_JSON", message="the body must be JSON in UTF-8")]
        if not isinstance(body, dict):
            return [Problem(pointer="", code=TYPE_WRONG, message="the body must be a JSON object")]
        problems = list(_repeated("", body))
        for name, fields in zip(SECTIONS, (self._applicant, self._facts, self._monitoring), strict=True):
            if name in sections:
                problems.extend(self._find_in_section(body, name, fields, as_of))
        problems.extend(_unknown("", body, sections))
        return problems

    def sort_fact_problems(self, problems: Iterable[Problem], values: Mapping[str, object]) -> tuple[Problem, ...]:
        """`problems` of facts in the product's order, then a problem for each name in `values` that is no fact of a Case."""
        ordered = sorted(problems, key=lambda problem: self._places[problem.pointer])
        ordered.extend(self._unknown_facts(values, self._columns))
        return _bounded(ordered)

    def _unknown_facts(self, values: Mapping[str, object], known: Iterable[str]) -> Iterable[Problem]:
        for problem in _unknown("/facts", values, known):
            if problem.pointer.removeprefix("/facts/") in self._prohibited:
                message = "belongs under /monitoring, apart from the facts"
                yield Problem(pointer=problem.pointer, code=FIELD_UNKNOWN, message=message)
            else:
                yield problem

    def _find_in_section(
        self, body: dict[str, Any], name: str, fields: list[tuple[str, Check]], as_of: date
    ) -> Iterable[Problem]:
        pointer = f"/{name}"
        section = body.get(name)
        if section is None:
            if name == "monitoring":
                return
            yield Problem(pointer=pointer, code=FIELD_MISSING, message="required: an object")
            section = {}
        if not isinstance(section, dict):
            yield Problem(pointer=pointer, code=TYPE_WRONG, message="must be an object")
            return
        yield from _repeated(pointer, section)
        for field, check in fields:
            problem = check(section.get(field), as_of)
            if isinstance(problem, Problem):
                yield problem
        if name == "facts":
            yield from self._unknown_facts(section, [field for field, _ in fields])
        else:
            yield from _unknown(pointer, section, [field for field, _ in fields])


def _told_field(attribute: Attribute, section: str) -> tuple[str, Check]:
    """Name and check of `attribute` as it stands in JSON, where a date is text."""
    check = make_check(attribute, f"/{section}/{attribute.name}")
    if attribute.type is not AttributeType.DATE:
        return attribute.name, check

    def check_text(value: object, as_of: date) -> Any:
        if type(value) is str:
            try:
                value = msgspec.convert(value, date)
            except msgspec.ValidationError:
                return check(False, as_of)
        return check(value, as_of)

    return attribute.name, check_text


def _identity_fields() -> list[tuple[str, Check]]:
    """Name and check of each field of `Identity`, by the very types that the quick way decodes."""
    return [
        (field.name, _text_check(field.type, f"/applicant/{field.name}")) for field in msgspec.structs.fields(Identity)
    ]


def _text_check(kind: Any, pointer: str) -> Check:
    meta = next(one for one in kind.__metadata__ if isinstance(one, msgspec.Meta))
    expected = f"text of {meta.min_length} to {meta.max_length} characters{_pattern_text(meta)}"
    missing = Problem(pointer=pointer, code=FIELD_MISSING, message=f"required: {expected}")
    wrong = Problem(pointer=pointer, code=TYPE_WRONG, message=f"must be {expected}")
    invalid = Problem(pointer=pointer, code=TEXT_INVALID, message=f"must be {expected}")

    def check(value: object, as_of: date) -> Any:
        if value is None:
            return missing
        if type(value) is not str:
            return wrong
        try:
            value.encode()
            msgspec.convert(value, kind)
        except (UnicodeEncodeError, msgspec.ValidationError):
            return invalid
        return None

    return check


def _pattern_text(meta: msgspec.Meta) -> str:
    return f", {meta.description}" if meta.description else ""


def _repeated(pointer: str, section: dict[str, Any]) -> Iterable[Problem]:
    if isinstance(section, Repeated):
        for name in section.names:
            yield Problem(
                pointer=_pointer_to(pointer, name), code=FIELD_REPEATED, message="stands more than once; send it once"
            )


def _unknown(pointer: str, section: Mapping[str, object], known: Iterable[str]) -> Iterable[Problem]:
    ours = frozenset(known)
    for name in section:
        if name not in ours:
            yield Problem(pointer=_pointer_to(pointer, name), code=FIELD_UNKNOWN, message="no such field in the schema")


def _pointer_to(pointer: str, name: object) -> str:
    if isinstance(name, str) and _SPELLED_LIKE_OURS.fullmatch(name):
        return f"{pointer}/{name}"
    return pointer


def _bounded(problems: list[Problem]) -> tuple[Problem, ...]:
    unique = tuple(dict.fromkeys(problems))
    if len(unique) <= PROBLEMS_MAX:
        return unique
    more = Problem(pointer="", code="PROBLEMS_MORE", message=f"only the first {PROBLEMS_MAX - 1} problems are listed")
    return (*unique[: PROBLEMS_MAX - 1], more)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) == len(pairs):
        return told
    repeated = Repeated(told)
    counts = Counter(name for name, _ in pairs)
    repeated.names = tuple(name for name, count in counts.items() if count > 1)
    return repeated


def _read_whole(token: str) -> int | float:
    """A whole number, or an infinity of its sign when it has more digits than Python reads."""
    if len(token) <= _INTEGER_DIGITS_MAX:
        return int(token)
    return -math.inf if token.startswith("-") else math.inf


def _refuse_constant(token: str) -> None:
    raise NotJson(token)


_READER: Final = json.JSONDecoder(
    object_pairs_hook=_read_object, parse_int=_read_whole, parse_constant=_refuse_constant
)
