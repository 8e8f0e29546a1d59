"""Slow twin of training/fitting/binning.py: every way to cut is looked at."""

import math
from itertools import combinations, pairwise

ROUNDING = 1e-12


def naive_evidence(good, bad, totals):
    prior = totals[1] / sum(totals)
    return math.log((bad + prior) / (good + (1 - prior))) - math.log(prior / (1 - prior))


def naive_information(good, bad, totals):
    return (bad / totals[1] - good / totals[0]) * naive_evidence(good, bad, totals)


def moves(groups, shape, totals):
    """Whether (good, bad) of neighbours move as the shape says: one direction after the other, none twice."""
    turn = 0
    for (g1, b1), (g2, b2) in pairwise(groups):
        climb = b2 / (g2 + b2) - b1 / (g1 + b1) if g1 + b1 and g2 + b2 else 0.0
        gain = naive_evidence(g2, b2, totals) - naive_evidence(g1, b1, totals)
        while turn < len(shape) and min(shape[turn] * climb, shape[turn] * gain) < -ROUNDING:
            turn += 1
        if turn == len(shape):
            return False
    return True


def naive_group_bins(goods, bads, loans, shape, totals, *, groups_max, share_min, loans_min):
    """Largest information over all groupings that keep the limits; `loans` are pairs of numbers of good and bad loans."""
    p = len(goods)
    everything = sum(goods) + sum(bads)
    best = sum(naive_information(*one, totals) for one in [(sum(goods), sum(bads))])
    for count in range(1, min(groups_max, p)):
        for cuts in combinations(range(1, p), count):
            spans = list(pairwise([0, *cuts, p]))
            groups = [(sum(goods[a:b]), sum(bads[a:b])) for a, b in spans]
            if any(g + b < share_min * everything * (1 - ROUNDING) for g, b in groups):
                continue
            if any(min(sum(kind) for kind in zip(*loans[a:b], strict=True)) < loans_min for a, b in spans):
                continue
            if moves(groups, shape, totals):
                best = max(best, sum(naive_information(*one, totals) for one in groups))
    return best
