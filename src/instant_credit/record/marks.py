"""Edge. The mark: how far a file of anchors has come, kept beside the key that signs them, so that a file that was lost or cut off is noticed.

By the anchors alone a file that ends early is whole. The mark is another file, below another folder: what is lost with the anchors is not lost
with the key. It is written after the anchor that it names, so it is never ahead of the file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from instant_credit.canonical import encode_canonical
from instant_credit.errors import Refused
from instant_credit.record.home import create_private_file, naming_folder, replace_private_file
from instant_credit.settings import ANCHOR_KEY


class AnchorsLost(Refused):
    """The file of anchors is gone, or is not the one that was appended to last."""


class Mark(Struct, frozen=True, kw_only=True):
    """Number of a file's last anchor and the hash of its head, in hex."""

    number: int
    head: str


class _Marks(Struct, frozen=True, kw_only=True):
    """The file: one mark for each file of anchors that the key signs on this machine, by its path."""

    files: Mapping[str, Mark]


_DECODER: Final = msgspec.json.Decoder(_Marks)


def place_of_marks(key: Path) -> Path:
    """Where the marks of an anchor key are."""
    return key.with_name(f"{key.name}.marks")


def read_mark(key: Path, anchors: Path) -> Mark | None:
    """How far the file of anchors has come; None = nothing was ever appended to it.

    Raises
    ------
    Refused : the marks can't be read.
    """
    return _read(place_of_marks(key)).get(_name(anchors))


def write_mark(key: Path, anchors: Path, mark: Mark | None) -> None:
    """Write down how far the file of anchors has come; None = forget it. The caller holds the lock of that file.

    Where the key lies in a folder that cannot be written there are no marks: then only a file that is gone is noticed.

    Raises
    ------
    Refused : the marks can't be written.
    """
    path = place_of_marks(key)
    if not os.access(path.parent, os.W_OK):
        return
    files = {name: found for name, found in _read(path).items() if name != _name(anchors)}
    if mark is not None:
        files[_name(anchors)] = mark
    content = encode_canonical(_Marks(files=files))
    if path.exists():
        replace_private_file(path, content, variable=ANCHOR_KEY)
    else:
        create_private_file(path, lambda: content, variable=ANCHOR_KEY)


def _read(path: Path) -> Mapping[str, Mark]:
    with naming_folder(path, ANCHOR_KEY):
        if not path.exists():
            return {}
        raw = path.read_bytes()
    try:
        return _DECODER.decode(raw).files
    except ValueError:
        raise Refused(
            f"{path} does not say how far the anchors have come: restore it from its copy, or remove it"
        ) from None


def _name(anchors: Path) -> str:
    return str(anchors.resolve())
