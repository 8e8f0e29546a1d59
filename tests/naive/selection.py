"""Naive twin of the selection's step that keeps variables apart."""

import numpy as np


def naive_find_correlated(ranks: np.ndarray, correlation_max: float) -> list[tuple[int, int, float]]:
    """Each row beside every kept one, one after the other."""
    kept: list[int] = []
    found = []
    for place, row in enumerate(ranks):
        correlations = [abs(sum(a * b for a, b in zip(row, ranks[other], strict=True))) for other in kept]
        if correlations and max(correlations) > correlation_max:
            found.append((place, kept[int(np.argmax(correlations))], max(correlations)))
        else:
            kept.append(place)
    return found
