"""Golden rows: few invented rows that fall into nearly every leaf that some row can fall into.

    tables -> each feature's states: the values that all trees take alike
           -> a row: paths of leaves not reached yet, as many as do not contradict each other
           -> one feature after the other takes the state that brings the row into most leaves not reached yet
           -> for each state the value that was used least

*States.* A number with b borders has b + 1 of them, from below all borders to above all; a category one for each code that is asked for
and one for all others. A state answers every question about its feature. Moving one feature moves only the trees that ask for it, and
each of them through few *pieces*, one more than it has questions about the feature; so what every state would win is a running sum over
pieces.

*Segments.* Where calibrations go by the codes of a category, rows at the end hold the codes that no row before them happened to hold,
the missing one among them, so that every calibration meets a row.

*How many.* A row falls into one leaf of each tree, so there are at least as many rows as the fullest tree has leaves. `GOLDEN_ROWS_MAX`
and `CELLS_MAX` keep a bundle small and its load quick: with 1,000 trees of depth 6 some 400 to 512 rows fall into 99% of the leaves and
more, and make up a twelfth of the bundle. The rest stands behind rare combinations of few features; the tables' digest covers every leaf.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.score.bundle import GOLDEN_ROWS_MAX, GOLDEN_ROWS_MIN
from instant_credit.score.leaves import find_leaves, list_reachable
from instant_credit.score.trees import TreeTables

# Fewer rows when the model has very many variables.
CELLS_MAX: Final = 160_000
_PATHS_TRIED: Final = 200
_LAPS_MAX: Final = 3
# A leaf more outweighs whatever the states were used.
_LEAF_WORTH: Final = 1e6
_LARGEST: Final = np.finfo(np.float32).max


class GoldenRows(Struct, frozen=True, kw_only=True, eq=False):
    """Rows float32[g, m], how many leaves they fall into, and how many can be fallen into."""

    rows: NDArray[np.float32]
    leaves_reached: int
    leaves_reachable: int


def draw_golden_rows(
    tables: TreeTables, category_counts: Sequence[int], seed: int, segment_position: int = -1
) -> GoldenRows:
    """Golden rows of `tables`, the same for the same seed.

    Parameters
    ----------
    category_counts : m numbers of categories, 0 for a number.
    segment_position : a category whose every code, and the missing one, some row holds; -1 = none.
    """
    most = min(GOLDEN_ROWS_MAX, max(GOLDEN_ROWS_MIN, CELLS_MAX // tables.feature_count))
    drawing = _Drawing(tables, category_counts, np.random.Generator(np.random.PCG64(seed)))
    kept: list[list[float]] = []
    while len(kept) < GOLDEN_ROWS_MIN or (
        drawing.is_left and len(kept) + drawing.count_unused(segment_position) < most
    ):
        kept.append(drawing.draw_row())
    kept.extend(drawing.draw_unused_row() for _ in range(drawing.count_unused(segment_position)))
    rows = np.array(kept, dtype=np.float32)
    is_reached = np.zeros(len(tables.leaf_values), dtype=np.bool_)
    is_reached[find_leaves(tables, rows)] = True
    require(
        np.array_equal(is_reached, drawing.is_reachable & ~drawing.is_new), "golden rows fall where they were drawn"
    )
    return GoldenRows(rows=rows, leaves_reached=int(is_reached.sum()), leaves_reachable=int(drawing.is_reachable.sum()))


class _Feature(Struct, frozen=True, kw_only=True, eq=False):
    """A feature, its values and the u trees that ask for it.

    Attributes
    ----------
    values, states, used : float32[v], int64[v] the state of each, int64[v] how many rows have it so far.
    is_possible, state_used : bool[s] and int64[s], whether a value has the state, and how many rows.
    answers : for each border, the states that say yes, as bits.
    trees, masks : int64[u], and the bits in their leaf indices that answer about this feature.
    slots, bits, starts, before, firsts : pieces of those trees, one tree's after another's and rising: which of the u trees, its bits,
        the state from which on it holds (of a category: its one state), the piece that it takes the place of (-1: none); int64[p].
        Where each tree's pieces start; int64[u].
    """

    values: NDArray[np.float32]
    states: NDArray[np.int64]
    used: NDArray[np.int64]
    is_possible: NDArray[np.bool_]
    state_used: NDArray[np.int64]
    is_category: bool
    answers: tuple[int, ...]
    trees: NDArray[np.int64]
    masks: NDArray[np.int64]
    slots: NDArray[np.int64]
    bits: NDArray[np.int64]
    starts: NDArray[np.int64]
    before: NDArray[np.int64]
    firsts: NDArray[np.int64]

    @property
    def possible(self) -> int:
        """The states that some value has, as bits."""
        return sum(1 << state for state in np.flatnonzero(self.is_possible).tolist())

    def bits_at(self, state: int) -> NDArray[np.int64]:
        """What each of the trees answers about the feature in this state, int64[u]."""
        holds = (self.starts == 0) | (self.starts == state) if self.is_category else self.starts <= state
        return np.maximum.reduceat(np.where(holds, self.bits, 0), self.firsts)

    def find_state(self, worth: NDArray[np.float64], state: int) -> int:
        """The state of most worth, of several the one used least; `state` itself where none is worth more.

        Parameters
        ----------
        worth : float64[p], of the leaf that each piece's tree falls into.
        """
        # What a piece adds to the piece before it; the piece at -1 is nothing.
        added = worth - np.append(worth, 0.0)[self.before]
        by_state = np.bincount(self.starts, weights=added, minlength=len(self.is_possible))
        won = np.append(by_state[:1], by_state[1:] + by_state[0]) if self.is_category else np.cumsum(by_state)
        ranked = np.where(self.is_possible, np.rint(won) * _LEAF_WORTH - self.state_used, -np.inf)
        best = int(np.argmax(ranked))
        return best if won[best] > won[state] + 0.5 else state

    def use(self, state: int | None) -> float:
        """The value used least, of this state or of any."""
        places = np.arange(len(self.values)) if state is None else np.flatnonzero(self.states == state)
        place = places[np.argmin(self.used[places])]
        self.used[place] += 1
        self.state_used[self.states[place]] += 1
        return float(self.values[place])


class _Drawing:
    """Draws rows one after the other. `is_reachable` and `is_new` bool[leaves]: can be fallen into, and not fallen into yet."""

    def __init__(self, tables: TreeTables, category_counts: Sequence[int], generator: np.random.Generator) -> None:
        self._generator = generator
        self._tables = tables
        self._features = [_prepare(tables, f, count, generator) for f, count in enumerate(category_counts)]
        self._asked = [f for f, feature in enumerate(self._features) if len(feature.trees)]
        self._possible = [feature.possible for feature in self._features]
        self._offsets = tables.leaf_offsets[:-1]
        self._tree_of_leaf = np.repeat(np.arange(tables.tree_count), np.diff(tables.leaf_offsets))
        self._splits = list(zip(tables.split_features.tolist(), tables.split_borders.tolist(), strict=True))
        self._split_offsets = tables.split_offsets.tolist()
        self.is_reachable = list_reachable(tables)
        self.is_new = self.is_reachable.copy()

    @property
    def is_left(self) -> bool:
        """Whether a leaf is not reached yet."""
        return bool(self.is_new.any())

    def draw_row(self) -> list[float]:
        """The next row."""
        states: dict[int, int] = {}
        if self.is_left:
            states = self._pack_paths()
            self.is_new[self._offsets + self._climb(states)] = False
        return [feature.use(states.get(f)) for f, feature in enumerate(self._features)]

    def count_unused(self, position: int) -> int:
        """How many values of the feature at `position` no row holds yet; 0 for -1."""
        return 0 if position < 0 else int(np.count_nonzero(self._features[position].used == 0))

    def draw_unused_row(self) -> list[float]:
        """A row of the values used least, whichever leaves it falls into."""
        row = [feature.use(None) for feature in self._features]
        self.is_new[find_leaves(self._tables, np.array([row], dtype=np.float32))[0]] = False
        return row

    def _pack_paths(self) -> dict[int, int]:
        """A state for each feature asked for, such that paths to new leaves are kept to, one after the other while they agree."""
        generator = self._generator
        left = np.flatnonzero(self.is_new)
        domains = self._possible.copy()
        for place in generator.choice(left, min(_PATHS_TRIED, len(left)), replace=False).tolist():
            tree = int(self._tree_of_leaf[place])
            self._keep_to(domains, tree, place - int(self._offsets[tree]))
        starts = generator.random(len(self._asked)).tolist()
        return {
            f: _choose_bit(domains[f], int(start * len(self._features[f].is_possible)))
            for f, start in zip(self._asked, starts, strict=True)
        }

    def _keep_to(self, domains: list[int], tree: int, leaf: int) -> None:
        """Narrow the domains (states as bits, by feature) to those that lead into the leaf, unless some feature would have none."""
        narrowed: dict[int, int] = {}
        first, last = self._split_offsets[tree : tree + 2]
        for bit, (f, border) in enumerate(self._splits[first:last]):
            says_yes = self._features[f].answers[border]
            domain = narrowed.get(f, domains[f]) & (says_yes if leaf >> bit & 1 else ~says_yes)
            if not domain:
                return
            narrowed[f] = domain
        for f, domain in narrowed.items():
            domains[f] = domain

    def _climb(self, states: dict[int, int]) -> NDArray[np.int64]:
        """Move one feature at a time to where most new leaves are, until nothing more is won; each tree's leaf index int64[t] then."""
        leaves = np.zeros(self._tables.tree_count, dtype=np.int64)
        for f, state in states.items():
            leaves[self._features[f].trees] |= self._features[f].bits_at(state)
        is_new = self.is_new.astype(np.float64)
        for _ in range(_LAPS_MAX):
            is_moved = False
            for f in self._generator.permutation(self._asked).tolist():
                feature = self._features[f]
                others = leaves[feature.trees] & ~feature.masks
                places = (self._offsets[feature.trees] + others)[feature.slots] + feature.bits
                state = feature.find_state(is_new[places], states[f])
                if state != states[f]:
                    states[f], is_moved = state, True
                    leaves[feature.trees] = others | feature.bits_at(state)
            if not is_moved:
                break
        return leaves


def _prepare(tables: TreeTables, f: int, category_count: int, generator: np.random.Generator) -> _Feature:
    borders = tables.borders[tables.border_offsets[f] : tables.border_offsets[f + 1]]
    is_category = bool(tables.is_category[f])
    values = generator.permutation(_list_values(borders, category_count))
    states = _find_states(tables, f, values)
    count = len(borders) + 1
    above = (1 << count) - 1
    return _Feature(
        values=values,
        states=states,
        used=np.zeros(len(values), dtype=np.int64),
        is_possible=np.bincount(states, minlength=count) > 0,
        state_used=np.zeros(count, dtype=np.int64),
        is_category=is_category,
        answers=tuple(2 << k if is_category else above >> (k + 1) << (k + 1) for k in range(len(borders))),
        **_list_pieces(tables, f, is_category=is_category),
    )


def _find_states(tables: TreeTables, f: int, values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The state of each value of a feature, int64[v]."""
    borders = tables.borders[tables.border_offsets[f] : tables.border_offsets[f + 1]]
    if tables.is_category[f]:
        place_of = {border: place for place, border in enumerate(borders.tolist(), start=1)}
        return np.array([place_of.get(value, 0) for value in values.tolist()], dtype=np.int64)
    if tables.code_ranks and tables.code_ranks[f]:
        values = np.array(tables.code_ranks[f], dtype=np.float32)[values.astype(np.int64) + 1]
    states = np.searchsorted(borders, values, side="left")
    return np.where(np.isnan(values), len(borders) if tables.nan_is_above[f] else 0, states).astype(np.int64)


def _list_values(borders: NDArray[np.float32], category_count: int) -> NDArray[np.float32]:
    """What stands in golden rows: codes and the missing one; borders, the next floats on either side, and now and then nothing."""
    if category_count:
        return np.arange(-1, category_count).astype(np.float32)
    # CatBoost's border for a missing value is the lowest float; below it is nothing finite.
    below, above = (np.nextafter(borders, side) for side in (-_LARGEST, _LARGEST))
    missing = np.full(1 + len(borders) // 4, np.nan, dtype=np.float32)
    return np.concatenate([borders, below, above, missing])


def _list_pieces(tables: TreeTables, f: int, *, is_category: bool) -> dict[str, NDArray[np.int64]]:
    """The arrays of `_Feature` about trees and pieces."""
    splits = np.flatnonzero(tables.split_features == f)
    trees = np.searchsorted(tables.split_offsets, splits, side="right") - 1
    questions: dict[int, dict[int, int]] = {}
    bits = 1 << (splits - tables.split_offsets[trees])
    for tree, border, bit in zip(trees.tolist(), tables.split_borders[splits].tolist(), bits.tolist(), strict=True):
        asked = questions.setdefault(tree, {})
        asked[border] = asked.get(border, 0) | bit
    pieces: list[tuple[int, int, int, int]] = []
    firsts = []
    for slot, asked in enumerate(questions.values()):
        firsts.append(len(pieces))
        pieces.append((slot, 0, 0, -1))
        for border, bit in sorted(asked.items()):
            place = firsts[-1] if is_category else len(pieces) - 1
            pieces.append((slot, bit if is_category else pieces[place][1] | bit, border + 1, place))
    columns = np.array(pieces, dtype=np.int64).reshape(-1, 4)
    told = {name: np.ascontiguousarray(columns[:, k]) for k, name in enumerate(("slots", "bits", "starts", "before"))}
    masks = [sum(asked.values()) for asked in questions.values()]
    return {
        **told,
        "firsts": np.array(firsts, dtype=np.int64),
        "trees": np.array(list(questions), dtype=np.int64),
        "masks": np.array(masks, dtype=np.int64),
    }


def _choose_bit(bits: int, start: int) -> int:
    """The place of the first bit that is set from `start` on, going round; one must be."""
    rest = bits >> start << start or bits
    return (rest & -rest).bit_length() - 1
