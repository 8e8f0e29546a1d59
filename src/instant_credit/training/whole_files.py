"""Files that are there whole or not at all: each is written beside its place and moved there. Edge."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_ENDING: Final = ".part"


def replace_files(contents: Mapping[Path, bytes], mode: int = 0o666) -> None:
    """Write each file, in place of one that is there; none is moved before all are written, and no draft stays behind.

    Parameters
    ----------
    contents : bytes by path; the folders exist.
    mode : permissions before the process's mask.

    Raises
    ------
    OSError : a file can't be written.
    """
    drafts: dict[Path, Path] = {}
    try:
        for path, raw in contents.items():
            draft = path.with_name(path.name + _ENDING)
            draft.unlink(missing_ok=True)
            draft.touch(mode=mode)
            drafts[path] = draft
            draft.write_bytes(raw)
        for path, draft in drafts.items():
            draft.replace(path)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
