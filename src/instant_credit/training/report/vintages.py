"""Vintages: loans put together by when they were applied for, in months, quarters or years, whichever is finest and still few."""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

VINTAGES_MAX: Final = 20
_MONTHS_A_GRAIN: Final = (1, 3, 12)


class Vintages(Struct, frozen=True, kw_only=True, eq=False):
    """`codes` int64[n] count from 0 in order of time; `names` such as "2011-02", "2011 Q1" or "2011", one a code, none empty."""

    codes: NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many there are; 1 for a book without dates."""
        return len(self.names)


def find_vintages(days: NDArray[np.int32]) -> Vintages:
    """Vintages of loans by their day, int32[n > 0] since 1970-01-01: the finest grain that makes at most `VINTAGES_MAX` of them."""
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    for grain in _MONTHS_A_GRAIN:
        found, codes = np.unique(np.floor_divide(months, grain), return_inverse=True)
        if len(found) <= VINTAGES_MAX:
            break
    names = tuple(_name_vintage(int(number) * grain, grain) for number in found)
    return Vintages(codes=codes.astype(np.int64).reshape(-1), names=names)


def take_vintages(vintages: Vintages, rows: NDArray[np.int64]) -> Vintages:
    """The vintages of some of the loans, without those that none of them is of."""
    found, codes = np.unique(vintages.codes[rows], return_inverse=True)
    return Vintages(codes=codes.astype(np.int64).reshape(-1), names=tuple(vintages.names[int(code)] for code in found))


def _name_vintage(month: int, grain: int) -> str:
    """`month` counts from January 1970."""
    year, rest = 1970 + month // 12, month % 12
    if grain == 1:
        return f"{year}-{rest + 1:02d}"
    return f"{year} Q{rest // 3 + 1}" if grain == 3 else str(year)
