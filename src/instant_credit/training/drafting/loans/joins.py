"""Other files of a tape: by which key they belong to its rows, and the columns that they add. Edge.

A file with at most one row for each key adds its columns as "NAME.column", told or missing for each row of the tape. A file with many
rows for a key is kept aside; facts are taken from it once the day of each row is known (`history.py`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import polars as pl
from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.training.drafting.reading.profile import Column, Tape
from instant_credit.training.drafting.words import lexicon
from instant_credit.training.drafting.words.naming import Names, slug_text

FILES_MAX: Final = 8
_MATCHED_MIN: Final = 0.02
_MATCHED_SURE: Final = 0.95
_KEYS_MIN: Final = 5
_COLUMN: Final = "column"


class Joined(Struct, frozen=True, kw_only=True):
    """A joined file: `key` is its column, `on` the column that holds the same as the mapping names it, `matched` the rows that find it."""

    name: str
    tape: Tape
    key: str
    on: str
    rows: Literal["one", "many"]
    matched: int
    doubts: tuple[str, ...] = ()


class _Pair(Struct, frozen=True):
    """A column of a file and the column that may hold its key, with how much speaks for it."""

    score: float
    key: str
    on: str
    matched: int


def name_file(path: Path, main: Path, taken: Sequence[str], columns: Sequence[str]) -> str:
    """A name for the file at `path`: its own, less what it shares with the main file's."""
    stem, first = (slug_text(one.name.partition(".")[0]) for one in (path, main))
    words, shared = stem.split("_"), first.split("_")
    while len(words) > 1 and shared and words[0] == shared[0]:
        words, shared = words[1:], shared[1:]
    slug = "_".join(words)[:40].strip("_")
    if not slug or not slug[0].isalpha():
        slug = f"file_{slug}".strip("_")
    names = Names(_COLUMN)
    for one in (*taken, *(column.partition(".")[0] for column in columns)):
        names.take(one)
    return names.take(slug)


def join_file(main: Tape, known: Mapping[str, Column], tape: Tape, name: str) -> Joined:
    """How the file belongs to the rows of `main`.

    Parameters
    ----------
    known : the columns of the main file and of the files of one row joined before, by the names a mapping gives them.

    Raises
    ------
    Refused : no column seems to hold a common key.
    """
    pairs = [
        pair
        for key in tape.columns.values()
        for on in known.values()
        if key.is_nameable and on.is_nameable and (pair := _weigh(key, on)) is not None
    ]
    if not pairs:
        raise Refused(
            f"{tape.path.name}: no column of it seems to hold a key of {main.path.name}; give the key the same name in both files. It has "
            f"{', '.join(list(tape.columns)[:60])}"
        )
    best = max(pairs, key=lambda pair: pair.score)
    key = tape.columns[best.key]
    is_one = key.distinct == key.told
    doubts = [] if best.matched == main.rows else [f"{main.rows - best.matched:,} rows of the tape find no row in it"]
    if known[best.on].words[-len(key.words) :] != key.words:
        doubts.append(f"joined by {best.key} = {best.on}, because their values agree; the names don't")
    return Joined(
        name=name,
        tape=tape,
        key=best.key,
        on=best.on,
        rows="one" if is_one else "many",
        matched=best.matched,
        doubts=tuple(doubts),
    )


def _weigh(key: Column, on: Column) -> _Pair | None:
    """How much speaks for `key` being the key that `on` holds; None when nothing does."""
    own_name = on.name.rpartition(".")[2]
    is_same_name = key.name.casefold() in (on.name.casefold(), own_name.casefold())
    is_id = lexicon.IDS.names(on.words) or (is_same_name and lexicon.PERSONS.names(on.words))
    is_unique = on.distinct == on.rows
    names_rows = key.distinct == key.rows
    if not (is_same_name and (is_id or is_unique or names_rows)) and not (names_rows and (is_id or is_unique)):
        return None
    keys = {text for text, _ in key.counts}
    if len(keys) < 2:
        return None
    matched = sum(rows for text, rows in on.counts if text in keys)
    share = matched / max(on.rows, 1)
    if share < (_MATCHED_MIN if is_same_name else _MATCHED_SURE) or (not is_same_name and on.distinct < _KEYS_MIN):
        return None
    score = 3.0 * is_same_name + 2.0 * is_unique + 2.0 * is_id + share - 0.01 * key.place
    return _Pair(score, key.name, on.name, matched)


def add_columns(joined: Joined, known: Mapping[str, Column]) -> list[Column]:
    """The columns that a file of one row adds, n rows each, but for its key."""
    left = pl.DataFrame({"key": known[joined.on].texts})
    names = [name for name in joined.tape.columns if name != joined.key]
    right = pl.DataFrame(
        {"key": joined.tape.columns[joined.key].texts}
        | {f"c{place}": joined.tape.columns[name].texts for place, name in enumerate(names)}
    ).drop_nulls("key")
    both = left.join(right, on="key", how="left", maintain_order="left")
    return [
        Column(f"{joined.name}.{name}", both[f"c{place}"], own.place, own_name=name, decimal=own.decimal)
        for place, name in enumerate(names)
        for own in (joined.tape.columns[name],)
    ]
