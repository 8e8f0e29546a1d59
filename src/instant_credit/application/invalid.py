"""What a document may hold where it could not be decoded, said beside the decoder's own words. Pure."""

import re
from collections.abc import Iterator
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import inspect

_PLACE: Final = re.compile(r" - at `\$(.*)`$")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(?:\d+|\.\.\.)\]")
_PATTERN: Final = re.compile(r"matching regex '(.*?)'")
_FORMS: Final = MappingProxyType(
    {
        "^[A-Z]{3}$": "three capital letters, such as EUR",
        "^[a-z][a-z0-9_]{0,62}$": "a-z, 0-9 and _, with a letter first, at most 63 of them",
    }
)


def point_at(error: msgspec.ValidationError) -> str:
    """The place that the decoder names, as a JSON pointer of fields of ours down to the first list; empty where it names none."""
    place = _PLACE.search(str(error))
    steps = [] if place is None else takewhile(bool, (step[1] for step in _STEP.finditer(place[1])))
    return "".join(f"/{step}" for step in steps)


def tell_invalid(error: msgspec.ValidationError, kind: Any) -> str:
    """The decoder's message, and which values, fields or form are allowed at the place that it names.

    Parameters
    ----------
    error : of decoding or converting to `kind`.
    kind : the type that was wanted.
    """
    text = str(error)
    if "Invalid RFC3339 encoded date" in text:
        return f"{text}: write a day as YYYY-MM-DD"
    pattern = _PATTERN.search(text)
    if pattern is not None:
        form = _FORMS.get(pattern[1])
        return text if form is None else f"{text}: write {form}"
    place = _PLACE.search(text)
    nodes = _follow(inspect.type_info(kind), place[1] if place is not None else "")
    allowed: tuple[str, ...] = ()
    if text.startswith("Invalid enum value"):
        allowed = next((found for node in nodes if (found := _list_values(node))), ())
    elif text.startswith("Object contains unknown field"):
        allowed = next((found for node in nodes if (found := _list_fields(node))), ())
    return f"{text}: allowed are {', '.join(allowed)}" if allowed else text


def _follow(node: inspect.Type, path: str) -> list[inspect.Type]:
    """The types that may stand at `path` below `node`."""
    nodes = list(_open(node))
    for step in _STEP.finditer(path):
        nodes = [deeper for one in nodes for below in _step(one, step[1]) for deeper in _open(below)]
    return nodes


def _open(node: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(node, inspect.Metadata):
        yield from _open(node.type)
    elif isinstance(node, inspect.UnionType):
        for one in node.types:
            yield from _open(one)
    else:
        yield node


def _step(node: inspect.Type, field: str | None) -> Iterator[inspect.Type]:
    if field is None:
        if isinstance(node, inspect.DictType):
            yield node.value_type
        elif isinstance(node, inspect.VarTupleType | inspect.ListType):
            yield node.item_type
    elif isinstance(node, inspect.StructType):
        yield from (one.type for one in node.fields if one.encode_name == field)


def _list_values(node: inspect.Type) -> tuple[str, ...]:
    if isinstance(node, inspect.EnumType):
        return tuple(str(one.value) for one in node.cls)
    if isinstance(node, inspect.LiteralType):
        return tuple(str(one) for one in node.values)
    return ()


def _list_fields(node: inspect.Type) -> tuple[str, ...]:
    return tuple(one.encode_name for one in node.fields) if isinstance(node, inspect.StructType) else ()
