"""Slow twins of the e-processes: one trial after the other, one rate after the other."""

import math


def share(trials, bound, steps):
    """The mean over rates of the product of every trial's likelihood ratio; `trials` holds one value in [0, 1] a trial."""
    odds = bound / (1 - bound)
    total = 0.0
    for step in steps:
        rate = odds * math.exp(step) / (1 + odds * math.exp(step))
        product = 1.0
        for hit in trials:
            product *= (rate / bound) ** hit * ((1 - rate) / (1 - bound)) ** (1 - hit)
        total += product
    return total / len(steps)


def closest(rate, other, bound, weight):
    """The other's rate q0 at which (q0 + bound, q0) is closest to (rate, other), by ternary search."""

    def distance(edge):
        return weight * _kl(rate, edge + bound) + (1 - weight) * _kl(other, edge)

    low, high = 1e-12, 1 - bound - 1e-12
    for _ in range(300):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if distance(left) < distance(right) else (left, high)
    return (low + high) / 2


def difference(trials, bound, weight, levels, excesses):
    """The mean over pairs of rates; `trials` holds (whether it is the one's, its value in [0, 1])."""
    ratios = []
    for level in levels:
        other = 1 / (1 + math.exp(-level))
        for excess in excesses:
            rate = other + bound + excess
            if rate >= 1:
                continue
            edge = closest(rate, other, bound, weight)
            product = 1.0
            for is_one, hit in trials:
                p, p0 = (rate, edge + bound) if is_one else (other, edge)
                product *= (p / p0) ** hit * ((1 - p) / (1 - p0)) ** (1 - hit)
            ratios.append(product)
    return sum(ratios) / len(ratios)


def ratio(group, base, bound, steps):
    """Every trial told by what came before (Krichevsky and Trofimov), over the best harmless pair on a grid of `steps` rates."""
    told = _told(group) * _told(base)
    best = 0.0
    for i in range(steps + 1):
        base_rate = i / steps
        for j in range(steps + 1):
            rate = bound * base_rate + (1 - bound * base_rate) * j / steps
            best = max(best, _chance(group, rate) * _chance(base, base_rate))
    return told / best


def _told(trials):
    chance, hits = 1.0, 0
    for count, hit in enumerate(trials):
        rate = (hits + 0.5) / (count + 1)
        chance *= rate if hit else 1 - rate
        hits += hit
    return chance


def _chance(trials, rate):
    return math.prod(rate if hit else 1 - rate for hit in trials)


def _kl(p, q):
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
