"""Several arms and metrics at once: what is said of each such that few of what is said are wrong. Pure.

    p-values -> Holm -> adjusted p-values      at or below alpha: with probability 1 - alpha none of those is a false alarm
    e-values -> e-BH -> adjusted e-values      at or below alpha: among those, the expected share of false alarms is at most alpha
    rule     -> the level divided by how many are shown -> intervals that all hold together with probability 1 - alpha

All three hold however arms (one control) and metrics (the same persons) depend on one another. A family is every comparison that the plan
declared, also those without enough events yet: they enter with p = 1 and e = 1 and cost what they cost. e-BH takes e-values of one time,
whatever made the looks stop there; not the highest of several looks.

Holm may find a difference whose simultaneous interval holds zero: it spends, step by step, the level that earlier findings set free, and
intervals of one width cannot.

Source: Holm (1979), "A simple sequentially rejective multiple test procedure"; Wang, Ramdas (2022), "False discovery rate control with
e-values", section 3; Xu, Wang, Ramdas (2022), "Post-selection inference for e-value based confidence intervals" (e-BY).
"""

import math
from collections.abc import Sequence

from msgspec.structs import replace

from instant_credit.errors import require
from instant_credit.experiment.sequences import Rule


def adjust_holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values in the order of the given ones, each between 0 and 1; at most alpha means found at alpha.

    Raises
    ------
    BrokenInvariant
        Where a p-value is NaN or lies outside of 0 and 1.
    """
    require(all(0.0 <= p <= 1.0 for p in p_values), "a p-value lies between 0 and 1")
    count = len(p_values)
    adjusted = [1.0] * count
    highest = 0.0
    for step, at in enumerate(sorted(range(count), key=lambda at: p_values[at])):
        highest = max(highest, min(1.0, (count - step) * p_values[at]))
        adjusted[at] = highest
    return tuple(adjusted)


def adjust_e_bh(e_values: Sequence[float]) -> tuple[float, ...]:
    """Lowest levels at which e-BH finds each, in the order of the given e-values, each between 0 and 1.

    With K e-values, e-BH at alpha finds the k highest for the largest k whose k-th highest is at least K / (k alpha).

    Raises
    ------
    BrokenInvariant
        Where an e-value is NaN or negative.
    """
    require(all(e >= 0.0 for e in e_values), "an e-value is not negative")
    count = len(e_values)
    adjusted = [1.0] * count
    lowest = 1.0
    order = sorted(range(count), key=lambda at: e_values[at])
    for at, rank in zip(order, range(count, 0, -1), strict=True):
        lowest = min(lowest, count / rank / e_values[at] if e_values[at] > 0.0 else math.inf)
        adjusted[at] = lowest
    return tuple(adjusted)


def reject_e_bh(e_values: Sequence[float], alpha: float) -> tuple[bool, ...]:
    """Which are found at `alpha`, in the order of the given e-values; see `adjust_e_bh`."""
    return tuple(level <= alpha for level in adjust_e_bh(e_values))


def simultaneous_rule(rule: Rule, comparisons: int) -> Rule:
    """The rule whose intervals hold for all of the plan's `comparisons` together, at all looks, with probability 1 - `rule.alpha`."""
    require(comparisons >= 1, "comparisons is at least 1")
    return replace(rule, alpha=rule.alpha / comparisons)


def selected_rule(rule: Rule, selected: int, comparisons: int) -> Rule:
    """The rule for intervals of `selected` out of the plan's `comparisons`, however they were selected.

    Of the intervals that it gives, the expected share that misses its truth is at most `rule.alpha`. For those that e-BH found at that alpha, none
    holds zero.

    Source: Xu, Wang, Ramdas (2022), e-BY.
    """
    require(1 <= selected <= comparisons, "selected lies between 1 and comparisons")
    return replace(rule, alpha=rule.alpha * selected / comparisons)
