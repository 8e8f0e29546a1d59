"""Edge. The home: the folder of the embedded database, the key ring, tapes, rejects and reports. Nobody else reads it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instant_credit.errors import Refused
from instant_credit.settings import HOME


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
