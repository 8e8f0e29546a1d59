"""Which tests each worker starts with under `pytest -n 2 --dist worksteal`: an even share of them, long ones first.

A worker that has done its share takes over half of what another has left, from the end. With the long tests at the front of every share,
both work until seconds before the end, and a module's tests stay together but where a share was divided, so that few of its fixtures are
made twice.
"""

from collections.abc import Sequence
from itertools import groupby

import pytest


def deal_shares(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The items in the order of the workers' shares: modules with a test marked as long in turns, then the others as they come."""
    modules = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
    is_long = [any(item.get_closest_marker("long") for item in module) for module in modules]
    long = [module for module, told in zip(modules, is_long, strict=True) if told]
    others = [item for module, told in zip(modules, is_long, strict=True) if not told for item in module]
    shares: list[list[pytest.Item]] = []
    for place in range(workers):
        share = [item for module in long[place::workers] for item in module]
        size = (len(items) - sum(map(len, shares))) // (workers - place)
        taken = max(0, size - len(share))
        shares.append(share + others[:taken])
        others = others[taken:]
    return [item for share in (*shares, others) for item in share]
