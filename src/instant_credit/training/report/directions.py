"""Directions: what each variable may do to the pd, why, and whether the trees keep to it.

The fit is told a monotone constraint; here it is not trusted but looked at, on the leaves of every tree of the final model.
"""

from collections import Counter

import numpy as np
from msgspec import Struct

from instant_credit.application.product import Direction
from instant_credit.score.proof import find_direction_faults
from instant_credit.score.trees import TreeTables
from instant_credit.training.workshop import Training


class DirectionTold(Struct, frozen=True, kw_only=True):
    """A variable that some tree asks for.

    Attributes
    ----------
    trees : how many trees ask for it; what holds for each of them holds for their sum.
    faults : how many of them break the direction somewhere; 0 for a free variable, which has none to break.
    """

    name: str
    direction: Direction
    why: str
    trees: int
    faults: int

    @property
    def is_proven(self) -> bool:
        """Whether the variable has a direction and every tree keeps it."""
        return self.direction is not Direction.FREE and self.faults == 0


def tell_directions(training: Training) -> tuple[DirectionTold, ...]:
    """Every variable that the trees ask for, in the order of the product."""
    bundle = training.bundle
    asked = count_trees(bundle.tables)
    faults = Counter(fault.variable for fault in find_direction_faults(bundle.tables, bundle.directions))
    return tuple(
        DirectionTold(
            name=variable.name,
            direction=variable.direction,
            why=variable.why,
            trees=asked[j],
            faults=faults[j],
        )
        for j, variable in enumerate(training.training_set.product.model_variables)
        if asked[j]
    )


def count_trees(tables: TreeTables) -> list[int]:
    """How many trees ask for each feature."""
    trees = np.repeat(np.arange(tables.tree_count), tables.depths)
    pairs = np.unique(np.stack([trees, tables.split_features.astype(np.int64)], axis=1), axis=0)
    counts: list[int] = np.bincount(pairs[:, 1], minlength=tables.feature_count).tolist()
    return counts
