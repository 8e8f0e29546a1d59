"""Slow twin of score/reasons.py."""

from collections.abc import Sequence


def naive_rank_adverse(
    contributions: Sequence[float], reference: Sequence[float], families: Sequence[str], most: int
) -> tuple[int, ...]:
    excess = [c - r for c, r in zip(contributions, reference, strict=True)]
    found = []
    for family in set(families):
        members = [i for i, f in enumerate(families) if f == family]
        net = 0.0
        for i in members:
            net += excess[i]
        worst = max(members, key=lambda i: (excess[i], -i))
        if net > 0:
            found.append((-net, worst))
    return tuple(i for _, i in sorted(found))[:most]
