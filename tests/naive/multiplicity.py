"""Slow twins of the adjustments: what is found at one level, straight from the definitions."""


def holm(p_values, alpha):
    """Step down: the lowest p is held against alpha / K, the next against alpha / (K - 1), until one is above."""
    found, left = set(), set(range(len(p_values)))
    while left:
        lowest = min(left, key=lambda at: p_values[at])
        if p_values[lowest] * len(left) > alpha:
            break
        found.add(lowest)
        left.remove(lowest)
    return [at in found for at in range(len(p_values))]


def e_bh(e_values, alpha):
    """The largest k with k e-values of at least K / (k alpha); those are found."""
    count = len(e_values)
    for k in range(count, 0, -1):
        found = [e > 0 and count / k / e <= alpha for e in e_values]
        if sum(found) >= k:
            return found
    return [False] * count
