"""Changing a draft: a JSON merge patch (RFC 7396) over what was told before."""

from collections.abc import Mapping
from typing import Any


def merge_patch(told: Any, patch: Any) -> Any:
    """`told` after `patch`: objects are merged name by name, null removes, anything else replaces. Neither argument is changed.

    Source
    ------
    RFC 7396, section 2.
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(told) if isinstance(told, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
