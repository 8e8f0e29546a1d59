"""Edge. The home: the folder of the embedded database, the key ring, tapes, rejects and reports. Nobody else reads it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from instant_credit.errors import Refused
from instant_credit.settings import HOME

LIVES: Final = "timemachine"
"""Folder below the home in which journeys through a book live."""


@contextmanager
def naming_folder(folder: Path, variable: str = HOME) -> Iterator[None]:
    """Turn what the machine refuses about files into one sentence: which path, why, and the variable that names another place.

    Raises
    ------
    Refused : a path can't be read or made.
    """
    try:
        yield
    except OSError as trouble:
        path = trouble.filename or folder
        why = trouble.strerror or type(trouble).__name__
        raise Refused(
            f"{os.fsdecode(path)}: {why}; check {variable}, which must name a place that can be written"
        ) from None


def make_home(home: Path) -> None:
    """Make the home unless it is there. Others may pass through one that root makes, because Postgres runs as another user;
    they cannot list it.

    Raises
    ------
    Refused : it can't be made.
    """
    with naming_folder(home):
        if not home.is_dir():
            home.mkdir(parents=True, exist_ok=True)
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner alone, unless it is there; a home below which others pass does not protect what lies in it.

    Raises
    ------
    Refused : it can't be made.
    """
    with naming_folder(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def create_private_file(path: Path, compose: Callable[[], bytes], *, variable: str) -> bool:
    """Make a file of mode 0600 unless it is there, whole or not at all; of two processes that try, one wins. Whether this one made it.

    Parameters
    ----------
    compose : its content, asked for when the file is made.
    variable : names another place for it.

    Raises
    ------
    Refused : it can't be made.
    """
    with naming_folder(path, variable):
        if path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _drafted(path.parent, compose()) as draft, suppress(FileExistsError):
            os.link(draft, path)
            return True
    return False


def refuse_existing(path: Path) -> None:
    """Refuse to write where something is already, a link to nowhere too.

    Raises
    ------
    Refused : something is there.
    """
    if path.exists() or path.is_symlink():
        raise Refused(f"{path} is there already: name another file")


def write_private_file(path: Path, content: bytes, *, option: str) -> None:
    """Write a new file of mode 0600, whole or not at all, through no link and over nothing.

    Parameters
    ----------
    option : names another place for it.

    Raises
    ------
    Refused : something is there already, or it can't be made.
    """
    if not create_private_file(path.absolute(), lambda: content, variable=option):
        raise Refused(f"{path} is there already: name another file")


def replace_private_file(path: Path, content: bytes, *, variable: str) -> None:
    """Put another content in a file's place, whole or not at all, with the same owner, who alone can read it.

    Raises
    ------
    Refused : it can't be replaced.
    """
    with naming_folder(path, variable):
        place = path.resolve()
        former = place.stat()
        with _drafted(place.parent, content) as draft:
            made = draft.stat()
            if (former.st_uid, former.st_gid) != (made.st_uid, made.st_gid):
                os.chown(draft, former.st_uid, former.st_gid)
            draft.replace(place)


def require_private(path: Path) -> None:
    """Check that nobody but its owner can read a file.

    Raises
    ------
    Refused : others can.
    """
    if path.stat().st_mode & 0o077:
        raise Refused(f"{path} can be read by others: run chmod 600 on it")


def sync_folder(folder: Path) -> None:
    """Have a folder's names on disk before this returns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _drafted(folder: Path, content: bytes) -> Iterator[Path]:
    """A whole file of mode 0600 in `folder` until the block has moved or linked it, whereupon the folder is on disk."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".new-")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
        sync_folder(folder)
    finally:
        draft.unlink(missing_ok=True)
