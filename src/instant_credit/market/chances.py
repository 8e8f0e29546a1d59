"""Chance by counting: the uniform numbers of one applicant are a function of seed, stream and his number. Pure.

Each stream is a Philox generator of its own, and every number owns a block of so many words in it. A generator that counts can begin anywhere, so a
block is the same whether it is drawn alone or among a million, and whatever was drawn before.

What turns uniform numbers into others (`Curve`) is a table between whose points a straight line is drawn: sums and products only, which
give the same bytes for one and for many and on every machine, as `exp` and `log` of a vectorised library do not promise.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11.
"""

import math
from collections.abc import Callable
from enum import IntEnum
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.market.world import NUMBER_MAX, TERM_MONTHS_MAX, Chances, Numbers, World

WORDS_PER_COUNT: Final = 4
# Two blocks that lie nearer are drawn in one go together with what lies between them: a generator costs as much as so many blocks.
GAP_MAX: Final = 64
_CURVE_POINTS: Final = 4096


class Stream(IntEnum):
    """What chance is drawn for. Of `HOUSEHOLD_HIDDEN` and later ones the chances depend on `hidden_seed`."""

    RETURN = 1
    PERSON = 2
    APPLICATION = 3
    HOUSEHOLD_HIDDEN = 16
    PERSON_HIDDEN = 17
    OFFER = 18
    LOAN = 19
    MONTHS = 20


_WORDS: Final = {
    Stream.RETURN: 4,
    Stream.PERSON: 12,
    Stream.APPLICATION: 12,
    Stream.HOUSEHOLD_HIDDEN: 4,
    Stream.PERSON_HIDDEN: 4,
    Stream.OFFER: 4,
    Stream.LOAN: 4,
    # Half a word a month, and whole counts.
    Stream.MONTHS: TERM_MONTHS_MAX // 2 + 2,
}


def draw_halves(world: World, stream: Stream, numbers: Numbers) -> NDArray[np.uint32]:
    """The words of `numbers` in a stream, cut into halves.

    Parameters
    ----------
    numbers : int64[n] from 0 to 2^40 - 1, in any order.

    Returns
    -------
    uint32[n, 2 x words of the stream].
    """
    words = _WORDS[stream]
    if not len(numbers):
        return np.empty((0, 2 * words), dtype=np.uint32)
    require(int(numbers.min()) >= 0 and int(numbers.max()) < NUMBER_MAX, "an applicant's number lies beyond its bounds")
    steps = np.diff(numbers)
    if (steps == 1).all():
        return _draw_run(world, stream, int(numbers[0]), len(numbers))
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    ends = np.flatnonzero(np.diff(ordered) > GAP_MAX) + 1
    halves = np.empty((len(numbers), 2 * words), dtype=np.uint32)
    for places in np.split(order, ends):
        first = int(numbers[places[0]])
        run = _draw_run(world, stream, first, int(numbers[places[-1]]) - first + 1)
        halves[places] = run[numbers[places] - first]
    return halves


def draw_uniforms(world: World, stream: Stream, numbers: Numbers) -> Chances:
    """Uniform numbers strictly between 0 and 1: float64[2 x words of the stream, n], a row for each purpose."""
    halves = draw_halves(world, stream, numbers)
    uniforms: Chances = (np.ascontiguousarray(halves.T).astype(np.float64) + 0.5) * 2.0**-32
    return uniforms


def _draw_run(world: World, stream: Stream, first: int, count: int) -> NDArray[np.uint32]:
    words = _WORDS[stream]
    hidden = world.hidden_seed if stream >= Stream.HOUSEHOLD_HIDDEN else 0
    key = np.array([world.seed, hidden * 256 + stream], dtype=np.uint64)
    raw = np.random.Philox(key=key, counter=first * (words // WORDS_PER_COUNT)).random_raw(count * words)
    return raw.astype("<u8", copy=False).view("<u4").reshape(count, 2 * words)


class Curve:
    """A function on [low, high] as a table; beyond its ends it goes on as it is there.

    Parameters
    ----------
    law : the function, finite on [low, high].
    """

    def __init__(self, law: Callable[[float], float], low: float, high: float) -> None:
        self._low = low
        self._scale = _CURVE_POINTS / (high - low)
        points = [law(low + (high - low) * step / _CURVE_POINTS) for step in range(_CURVE_POINTS + 1)]
        self._points = np.array(points)
        self._steps = np.append(np.diff(self._points), 0.0)

    def read(self, at: Chances) -> Chances:
        """The values at float64[n], none of them NaN."""
        place = np.clip((at - self._low) * self._scale, 0.0, float(_CURVE_POINTS))
        whole = place.astype(np.intp)
        values: Chances = self._points[whole] + self._steps[whole] * (place - whole)
        return values


_TAIL: Final = 1.0 / (4 * _CURVE_POINTS)
NORMAL: Final = Curve(lambda u: NormalDist().inv_cdf(min(max(u, _TAIL), 1.0 - _TAIL)), 0.0, 1.0)
"""Standard normal numbers from uniform ones, none beyond 3.9."""

EXPONENTIAL: Final = Curve(math.exp, -8.0, 20.0)
LOGISTIC: Final = Curve(lambda odds: 1.0 / (1.0 + math.exp(-odds)), -12.0, 12.0)
"""A probability from log odds, none nearer to 0 or 1 than 6e-6."""
