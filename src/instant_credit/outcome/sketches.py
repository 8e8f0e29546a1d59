"""Sketches: what monitoring keeps of decided Cases, as whole counts by bin. Pure.

    decided Cases of a day -> model variables float32[n, m], pds, outcomes, first reasons -> counts by bin

The law: a sketch is nothing but whole numbers, so it is exact, the sketch of two parts is the sum of theirs in any order, and it names nobody.
The bins are fixed by a reference population once and for a release (`SketchBins`): the tenths of each number there, each category by itself,
missing apart. A category without anybody in the reference is unseen.

Beside the bins of the reference, pds are counted on a fixed grid of log-odds, so that an AUC and a calibration can be told from counts.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from instant_credit.application.product import Name
from instant_credit.canonical import UNREADABLE, encode_canonical
from instant_credit.errors import Refused, require
from instant_credit.outcome.drift import BINS_MAX, cut_borders, find_bins, find_categories
from instant_credit.score.trees import FEATURES_MAX
from instant_credit.units import PPM

OUTCOMES: Final = ("approve", "counter_offer", "refer", "decline")
"""In the order of their numbers."""

OFFERS: Final = 2
"""The first so many outcomes come with an offer."""

UNSCORED: Final = -1
REASONS_MAX: Final = 1_000

# From a pd of 0.09% to 95%, each step 5% of the odds: cases of one step differ too little to be worth an order.
_GRID_FROM, _GRID_TO, _GRID_STEP = -7.0, 3.0, 0.05
GRID_PPM: Final = tuple(
    round(PPM / (1.0 + math.exp(-(_GRID_FROM + _GRID_STEP * step))))
    for step in range(round((_GRID_TO - _GRID_FROM) / _GRID_STEP) + 1)
)
"""Least pd, in parts per million, of each step of the grid but the first."""

GRID_BINS: Final = len(GRID_PPM) + 1

Count = Annotated[int, Meta(ge=0, le=2**62)]
_Counts = Annotated[tuple[Count, ...], Meta(max_length=300)]


class VariableBins(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bins of one model variable: by rising `borders` where it is a number, by `categories` otherwise; missing is the last bin."""

    name: Name
    borders: Annotated[tuple[float, ...], Meta(max_length=BINS_MAX)] = ()
    categories: Annotated[tuple[Name, ...], Meta(max_length=250)] = ()

    def __post_init__(self) -> None:
        """Borders rise, and a category has none."""
        if self.categories and self.borders:
            raise ValueError("a variable has borders or categories")
        if not all(low < high for low, high in pairwise(self.borders)):
            raise ValueError("borders rise")

    @property
    def count(self) -> int:
        """How many bins there are."""
        return len(self.categories) + 1 if self.categories else len(self.borders) + 2


class Sketch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counts of decided Cases.

    Attributes
    ----------
    cases : how many were counted; `erased` could not be opened any more and are counted nowhere else.
    variables : by model variable and bin.
    scores : by bin of the pd's borders; the last one has no score.
    outcomes : by `OUTCOMES`.
    reasons : first reasons by code, sorted; an approval has none.
    grid, grid_pds_ppm : scored Cases by step of `GRID_PPM`, and the sum of their pds.
    offered, offered_pds_ppm : the same, of those that got an offer.
    """

    cases: Count
    erased: Count = 0
    variables: Annotated[tuple[_Counts, ...], Meta(max_length=FEATURES_MAX)]
    scores: _Counts
    outcomes: Annotated[tuple[Count, ...], Meta(min_length=len(OUTCOMES), max_length=len(OUTCOMES))]
    reasons: Annotated[tuple[tuple[Annotated[str, Meta(max_length=64)], Count], ...], Meta(max_length=REASONS_MAX)] = ()
    grid: _Counts
    grid_pds_ppm: _Counts
    offered: _Counts
    offered_pds_ppm: _Counts

    @property
    def offers(self) -> int:
        """How many got an offer."""
        return sum(self.outcomes[:OFFERS])


class SketchReference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a release's Cases are compared with: bins, and the sketch of the reference population in them. A document, never people.

    Attributes
    ----------
    definition : in words, who the reference population is.
    score_borders_ppm : rising pds that cut the reference population into tenths.
    """

    schema_version: int = 1
    release_hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    product: Name
    definition: Annotated[str, Meta(min_length=1, max_length=400)]
    variables: Annotated[tuple[VariableBins, ...], Meta(max_length=FEATURES_MAX)]
    score_borders_ppm: Annotated[tuple[int, ...], Meta(max_length=BINS_MAX)]
    sketch: Sketch

    def __post_init__(self) -> None:
        """The sketch has the bins, and somebody in it."""
        if not self.sketch.cases:
            raise ValueError("a reference population holds somebody")
        if tuple(map(len, self.sketch.variables)) != tuple(one.count for one in self.variables):
            raise ValueError("the sketch has a count for each bin")
        if len(self.sketch.scores) != len(self.score_borders_ppm) + 2:
            raise ValueError("the sketch has a count for each bin of the score")
        if {len(getattr(self.sketch, name)) for name in _GRIDS} != {GRID_BINS}:
            raise ValueError(f"the sketch has {GRID_BINS} steps of the grid")


class Decided(Struct, frozen=True, kw_only=True, eq=False):
    """N decided Cases as numbers.

    Attributes
    ----------
    matrix : float32[n, m] of the model variables; NaN, or -1 for a category, = missing.
    pds_ppm : int64[n]; `UNSCORED` = no score.
    outcomes : int64[n], places in `OUTCOMES`.
    reasons : the first reason's code of each, "" for none.
    """

    matrix: NDArray[np.float32]
    pds_ppm: NDArray[np.int64]
    outcomes: NDArray[np.int64]
    reasons: Sequence[str]


_GRIDS: Final = ("grid", "grid_pds_ppm", "offered", "offered_pds_ppm")
_DECODER = msgspec.json.Decoder(SketchReference)


def make_reference(
    decided: Decided,
    *,
    release_hash: str,
    product: str,
    definition: str,
    names: Sequence[str],
    categories: Sequence[tuple[str, ...]],
) -> SketchReference:
    """Bins cut by a reference population (n > 0), with its own sketch in them.

    Parameters
    ----------
    decided : the population as the release decides it.
    names, categories : by model variable; no categories for a number.
    """
    columns = decided.matrix.astype(np.float64)
    variables = tuple(
        VariableBins(name=name, categories=told, borders=() if told else tuple(cut_borders(columns[:, place]).tolist()))
        for place, (name, told) in enumerate(zip(names, categories, strict=True))
    )
    borders = tuple(int(border) for border in cut_borders(_known_pds(decided.pds_ppm)).tolist())
    return SketchReference(
        release_hash=release_hash,
        product=product,
        definition=definition,
        variables=variables,
        score_borders_ppm=borders,
        sketch=count_sketch(variables, borders, decided),
    )


def count_sketch(variables: Sequence[VariableBins], score_borders_ppm: Sequence[int], decided: Decided) -> Sketch:
    """The sketch of decided Cases, none of them erased.

    Parameters
    ----------
    variables : the bins of each column of the matrix.
    score_borders_ppm : rising.
    """
    require(decided.matrix.shape[1:] == (len(variables),), "a sketch has bins for each variable")
    columns = decided.matrix.astype(np.float64)
    counts = []
    for place, one in enumerate(variables):
        column = columns[:, place]
        bins = (
            find_categories(column, len(one.categories)) if one.categories else find_bins(column, np.array(one.borders))
        )
        counts.append(_count(bins, one.count))
    scores = find_bins(_known_pds(decided.pds_ppm), np.array(score_borders_ppm, dtype=np.float64))
    reasons = Counter(reason for reason in decided.reasons if reason)
    is_scored = decided.pds_ppm != UNSCORED
    grid, grid_pds = _count_grid(decided.pds_ppm[is_scored])
    offered, offered_pds = _count_grid(decided.pds_ppm[is_scored & (decided.outcomes < OFFERS)])
    return Sketch(
        cases=len(decided.matrix),
        variables=tuple(counts),
        scores=_count(scores, len(score_borders_ppm) + 2),
        outcomes=_count(decided.outcomes, len(OUTCOMES)),
        reasons=tuple(sorted(reasons.items())),
        grid=grid,
        grid_pds_ppm=grid_pds,
        offered=offered,
        offered_pds_ppm=offered_pds,
    )


def empty_sketch(variables: Sequence[VariableBins], score_borders_ppm: Sequence[int], erased: int = 0) -> Sketch:
    """The sketch of nobody but of so many erased."""
    nothing = Decided(
        matrix=np.empty((0, len(variables)), dtype=np.float32),
        pds_ppm=np.empty(0, dtype=np.int64),
        outcomes=np.empty(0, dtype=np.int64),
        reasons=(),
    )
    return msgspec.structs.replace(count_sketch(variables, score_borders_ppm, nothing), erased=erased)


def merge_sketches(one: Sketch, other: Sketch) -> Sketch:
    """The sketch of both parts together; their bins must be the same."""
    require(tuple(map(len, one.variables)) == tuple(map(len, other.variables)), "sketches of other bins do not add up")
    reasons = Counter(dict(one.reasons))
    reasons.update(dict(other.reasons))
    return Sketch(
        cases=one.cases + other.cases,
        erased=one.erased + other.erased,
        variables=tuple(_add(*pair) for pair in zip(one.variables, other.variables, strict=True)),
        scores=_add(one.scores, other.scores),
        outcomes=_add(one.outcomes, other.outcomes),
        reasons=tuple(sorted(reasons.items())),
        **{name: _add(getattr(one, name), getattr(other, name)) for name in _GRIDS},
    )


def count_on_grid(pds_ppm: NDArray[np.int64]) -> tuple[int, ...]:
    """Counts of pds, int64[n], by step of the grid."""
    return _count_grid(pds_ppm)[0]


def encode_reference(reference: SketchReference) -> bytes:
    """Canonical JSON."""
    return encode_canonical(reference)


def decode_reference(raw: bytes) -> SketchReference:
    """The reference behind canonical JSON. Raises Refused when it is not one."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"monitoring reference: {error}") from error


def _known_pds(pds_ppm: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(pds_ppm == UNSCORED, np.nan, pds_ppm)


def _count(bins: NDArray[np.int64], count: int) -> tuple[int, ...]:
    found = np.bincount(bins, minlength=count)
    require(len(found) == count, "a value falls into one of the bins")
    return tuple(found.tolist())


def _count_grid(pds_ppm: NDArray[np.int64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Counts and sums of pds by step of the grid."""
    steps = np.searchsorted(np.array(GRID_PPM), pds_ppm, side="right")
    sums = np.zeros(GRID_BINS, dtype=np.int64)
    np.add.at(sums, steps, pds_ppm)
    return _count(steps, GRID_BINS), tuple(sums.tolist())


def _add(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))
