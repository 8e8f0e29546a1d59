"""Slow twins of the measures: every pair of loans is looked at."""

import math
from itertools import product


def auc(scores, labels):
    bads = [s for s, y in zip(scores, labels, strict=True) if y]
    goods = [s for s, y in zip(scores, labels, strict=True) if not y]
    return sum(_beats(b, g) for b, g in product(bads, goods)) / (len(bads) * len(goods))


def auc_difference_deviation(scores, others, labels):
    """DeLong's standard error of the difference between two AUCs; with all `others` equal, of the first AUC."""
    bads = [i for i, y in enumerate(labels) if y]
    goods = [i for i, y in enumerate(labels) if not y]

    def gap(bad, good):
        return _beats(scores[bad], scores[good]) - _beats(others[bad], others[good])

    by_bad = [sum(gap(b, g) for g in goods) / len(goods) for b in bads]
    by_good = [sum(gap(b, g) for b in bads) / len(bads) for g in goods]
    return math.sqrt(_variance(by_bad) / len(bads) + _variance(by_good) / len(goods))


def ks(scores, labels):
    bads = [s for s, y in zip(scores, labels, strict=True) if y]
    goods = [s for s, y in zip(scores, labels, strict=True) if not y]
    return max(abs(_share(bads, cut) - _share(goods, cut)) for cut in scores)


def _beats(bad, good):
    return 1.0 if bad > good else 0.5 if bad == good else 0.0


def _share(scores, cut):
    return sum(s <= cut for s in scores) / len(scores)


def _variance(values):
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / (len(values) - 1)
