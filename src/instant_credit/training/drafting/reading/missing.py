"""Texts of a column that seem to mean that nothing was told. Edge.

Two kinds: texts that are no value at all ("?", "NA"), and numbers that stand apart from a column's real ones (-9 among counts, 999 above
months that end at 27, 96 and 98 above lates that end at 17). A number is taken for a code only when the others leave room: -1 and -2
beside a few small numbers are levels of a scale, not codes.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from instant_credit.training.drafting.reading.profile import Column, is_writable
from instant_credit.training.drafting.words.cell_texts import (
    NEGATIVE_CODES,
    NULL_TEXTS,
    NULL_TEXTS_OF_NUMBERS,
    POSITIVE_CODES,
)

NULLS_MAX: Final = 90
_SCALE_VALUES_MAX: Final = 15
_GAP_MIN: Final = 2.0
_SPIKE_GAP_MIN: Final = 10.0
_SPIKE_SHARE_MIN: Final = 0.005
_STATE_CODES_MIN: Final = 20


class Missing(Struct, frozen=True, kw_only=True):
    """`texts` that mean missing, each with its rows and why; `doubts` are sentences for a person."""

    texts: tuple[tuple[str, int, str], ...] = ()
    doubts: tuple[str, ...] = ()


def find_missing_texts(column: Column) -> Missing:
    """What means missing in a column of categories."""
    told = [text for text, _ in column.counts if text not in NULL_TEXTS]
    are_codes = len(told) >= _STATE_CODES_MIN and sum(len(one) == 2 and one.isupper() for one in told) > 0.9 * len(told)
    found = [
        (text, rows, "stands for nothing")
        for text, rows in column.counts
        if text in NULL_TEXTS and not (text == "NA" and are_codes)
    ]
    doubts = (
        ("NA is one of many codes of two letters here, so it was kept as a value",)
        if are_codes and "NA" in dict(column.counts)
        else ()
    )
    return Missing(texts=tuple(found), doubts=doubts)


def find_missing_numbers(column: Column) -> Missing:
    """What means missing in a column of numbers: texts that are none, and numbers that stand apart."""
    no_numbers = [(text, rows) for text, rows in column.counts if np.isnan(column.numerals.read(text))]
    texts = [
        (text, rows, "stands for nothing" if text in NULL_TEXTS_OF_NUMBERS else "no number")
        for text, rows in no_numbers
        if is_writable(text) and len(text) <= 200
    ]
    doubts = []
    strange = [text for text, _ in no_numbers if text not in NULL_TEXTS_OF_NUMBERS]
    if strange:
        doubts.append(f"{len(strange)} texts in it are no numbers and were taken for missing: see null")
    if len(texts) > NULLS_MAX:
        rest = sum(rows for _, rows, _ in texts[NULLS_MAX:])
        doubts.append(f"{rest:,} more rows hold texts that are no numbers; they will be rejected at import")
    codes, more = find_codes(column.number_counts)
    spelled = {column.numerals.read(text): text for text, _ in reversed(column.counts)}
    for number, rows in column.number_counts:
        if number in codes:
            alike = (
                [text for text, _ in column.counts if column.numerals.read(text) == number]
                if rows > 1
                else [spelled[number]]
            )
            by_text = dict(column.counts)
            texts.extend((text, by_text[text], codes[number]) for text in alike)
    return Missing(texts=tuple(texts[:NULLS_MAX]), doubts=(*doubts, *more))


def find_codes(counts: Sequence[tuple[float, int]]) -> tuple[dict[float, str], list[str]]:
    """Numbers that seem to be codes for missing, with why; and doubts.

    Parameters
    ----------
    counts : distinct numbers with their rows, rising.
    """
    codes: dict[float, str] = {}
    doubts: list[str] = []
    negative = [value for value, _ in counts if value < 0]
    others = [value for value, _ in counts if value >= 0]
    if negative and others and all(value in NEGATIVE_CODES for value in negative):
        told = ", ".join(f"{value:.0f}" for value in negative)
        if _is_scale(negative, others):
            doubts.append(f"{told} were kept as levels of a scale; if they mean missing, name them in null")
        else:
            codes |= dict.fromkeys(negative, "a negative code among numbers that are never negative")
            doubts.append(f"{told} were taken for missing; if one is a value, strike it from null")
    high = _find_high(counts, codes)
    if high:
        told = ", ".join(f"{value:.0f}" for value in sorted(high))
        top = max(value for value, _ in counts if value not in high and value not in codes)
        codes |= dict.fromkeys(high, f"a code far above the other numbers, which end at {top:g}")
        doubts.append(f"{told} were taken for missing: the other numbers end at {top:g}")
    elif (spike := _find_spike(counts)) is not None:
        doubts.append(
            f"{spike[0]:g} stands alone in {spike[1]:,} rows, far above the others; if it means missing, name it in null"
        )
    return codes, doubts


def _is_scale(negative: Sequence[float], others: Sequence[float]) -> bool:
    """-1 and -2 that go on below 0, 1, 2 of few levels."""
    steps = sorted(negative, reverse=True)
    return (
        steps == [-1.0 - step for step in range(len(steps))]
        and others[0] == 0
        and max(others) <= _SCALE_VALUES_MAX
        and len(negative) + len(others) <= _SCALE_VALUES_MAX
        and (len(negative) > 1 or len(others) <= 3)
    )


def _find_high(counts: Sequence[tuple[float, int]], codes: dict[float, str]) -> set[float]:
    """Codes of nines and the like that lie above a gap."""
    values = [value for value, _ in counts if value not in codes]
    high: set[float] = set()
    while values and values[-1] in POSITIVE_CODES:
        high.add(values.pop())
    while high:
        rest = [value for value in values if value >= 0]
        if len(rest) >= 2 and min(high) >= _GAP_MIN * max(rest[-1], 1.0) and rest[-1] >= 0:
            return high
        lowest = min(high)
        high.discard(lowest)
        values.append(lowest)
    return high


def _find_spike(counts: Sequence[tuple[float, int]]) -> tuple[float, int] | None:
    """One number in many rows, ten times above all others."""
    if len(counts) < 4:
        return None
    (below, _), (value, rows) = counts[-2], counts[-1]
    total = sum(count for _, count in counts)
    is_alone = value > 0 and value >= _SPIKE_GAP_MIN * max(abs(below), 1.0)
    return (value, rows) if is_alone and rows >= max(5, _SPIKE_SHARE_MIN * total) else None
