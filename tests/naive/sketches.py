"""Slow twins of sketches and of what is told from them: one Case at a time, in plain Python."""

import math
from collections import Counter


def count_sketch(variables, score_borders_ppm, grid_ppm, cases, offers=2):
    """Counts of `cases`: (values by variable, pd_ppm or -1, outcome's place, first reason or "")."""
    counts = [[0] * one.count for one in variables]
    scores = [0] * (len(score_borders_ppm) + 2)
    outcomes = [0] * 4
    reasons = Counter()
    grids = [[0] * (len(grid_ppm) + 1) for _ in range(4)]
    for values, pd_ppm, outcome, reason in cases:
        for place, (one, value) in enumerate(zip(variables, values, strict=True)):
            counts[place][find_bin(one, value)] += 1
        scores[-1 if pd_ppm < 0 else sum(pd_ppm > border for border in score_borders_ppm)] += 1
        outcomes[outcome] += 1
        if reason:
            reasons[reason] += 1
        if pd_ppm >= 0:
            step = sum(pd_ppm >= least for least in grid_ppm)
            for place in (0, 2) if outcome < offers else (0,):
                grids[place][step] += 1
                grids[place + 1][step] += pd_ppm
    return counts, scores, outcomes, sorted(reasons.items()), grids


def find_bin(variable, value):
    """The bin of one value."""
    if variable.categories:
        return len(variable.categories) if value < 0 else int(value)
    if math.isnan(value):
        return len(variable.borders) + 1
    return sum(value > border for border in variable.borders)


def estimate_auc(pds):
    """Chance that a bad Case stands above a good one when each is bad with its own pd; nobody is compared with itself."""
    above = total = 0.0
    for place, bad in enumerate(pds):
        for other, good in enumerate(pds):
            if place != other:
                weight = bad * (1.0 - good)
                total += weight
                above += weight * (1.0 if bad > good else 0.5 if bad == good else 0.0)
    return above / total


def fisher_chance(hits, trials, base_hits, base_trials):
    """Fisher's exact test from whole binomials: all tables that are no likelier."""
    wanted = hits + base_hits
    tables = {
        count: math.comb(trials, count) * math.comb(base_trials, wanted - count)
        for count in range(max(0, wanted - base_trials), min(trials, wanted) + 1)
    }
    return sum(one for one in tables.values() if one <= tables[hits]) / sum(tables.values())
